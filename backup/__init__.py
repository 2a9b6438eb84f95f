"""Encrypted backups of a service's database, each verified by a restore before it gets its name."""
