"""Local deployment in containers."""
