"""Bringing secrets in and taking them out: from a ``.env`` file to the server, and back."""
