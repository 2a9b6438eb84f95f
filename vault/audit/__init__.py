"""Audit: who read what, what is unusual, and 90 days kept."""
