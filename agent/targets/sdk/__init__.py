"""Targets without an agent: the delivery of the application renders its file by the SDK."""
