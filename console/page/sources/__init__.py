"""What the page reads, each source at its own pace and never twice at a time."""
