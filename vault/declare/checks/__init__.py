"""Checks across the fields of a file and across files, which the pydantic models cannot make."""
