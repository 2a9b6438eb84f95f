"""Requests to the server: connections, addresses, failover, and the decoding of responses."""
