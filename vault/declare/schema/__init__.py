"""Pydantic models of service and environment files, and their field types."""
