"""Desired state: the resources that a declaration asks for."""
