"""What a token is made of: its formats, and the bytes that it authenticates."""
