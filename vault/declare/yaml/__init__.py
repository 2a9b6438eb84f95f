"""Declarations as YAML: read with line numbers, and explained in errors."""
