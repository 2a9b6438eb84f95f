"""Checks across the fields of a file and across files, which the pydantic models cannot make.

*stem* is the name of a file without its suffix. The data of a service is None if it cannot be
relied on, because the file cannot be parsed or has an unknown section.
"""
