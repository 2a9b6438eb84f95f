"""Commands of rotation."""
