"""Helpers for web frameworks, pydantic-settings and ORMs.

A framework helper takes one line. It installs redaction, loads the delivered config, serves
``/metrics``, and closes the SDK when the application ends.
"""
