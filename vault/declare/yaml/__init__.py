"""Declarations as YAML: read with line numbers, explained in errors, edited in place."""
