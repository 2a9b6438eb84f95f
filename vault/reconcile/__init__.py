"""Reconciliation of the server with the declaration: desired state, plan, apply."""
