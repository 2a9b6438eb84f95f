"""A session with the server: login, Vault token, renewal and retries."""
