"""One logged-in connection to the server, its Vault token, and its retries."""
