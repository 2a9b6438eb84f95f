"""Token formats, and the associated data that tokens authenticate."""
