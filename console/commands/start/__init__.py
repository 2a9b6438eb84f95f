"""Commands with which a service comes onto the server."""
