"""Public functions of the SDK, which call the process's default client."""
