"""Desired state: the resources that a declaration requires."""
