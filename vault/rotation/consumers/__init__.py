"""Consumers of a value that is rotated: evidence that they have moved to the new one."""
