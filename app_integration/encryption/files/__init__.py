"""Encrypted files. ``docs/file-format.md`` specifies the format."""
