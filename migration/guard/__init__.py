"""Guard in the database, which finds each write of plaintext that brought no new token."""
