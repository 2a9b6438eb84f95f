"""Audit logs of an environment: which they are, the store of their lines, and keys for both."""
