"""YAML files of a declaration: a parser with line numbers, and readable validation errors."""
