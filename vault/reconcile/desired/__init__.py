"""What a declaration asks of the server."""
