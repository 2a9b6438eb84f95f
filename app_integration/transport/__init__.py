"""Requests to the server: connections, addresses, and what an answer says."""
