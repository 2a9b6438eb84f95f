"""A database of a test's own on a server that others use too."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection

from local.servers.accounts import SUPERUSER, Superuser


@dataclass(frozen=True)
class OwnDatabase:
    superuser: Superuser
    name: str

    def create(self, owner: str = SUPERUSER) -> None:
        """Create it, or create it anew; its sessions are ended."""
        self.drop()
        with self.superuser.connect() as connection:
            connection.execute(f"CREATE DATABASE {self.name} OWNER {owner}")

    def drop(self) -> None:
        with self.superuser.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    def connect(self) -> Connection:
        """Connect to it, in autocommit mode."""
        return self.superuser.connect(self.name)
