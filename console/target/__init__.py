"""Where a command works: an environment, its declaration, its server, and who logs in there."""
