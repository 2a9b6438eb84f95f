"""Commands about encrypted columns, files and stored keys."""
