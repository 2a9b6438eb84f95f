"""Applications that show the SDK in use."""
