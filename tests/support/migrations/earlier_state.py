"""State of a migration as commits before the inventory of dependents have stored it."""

from __future__ import annotations

from typing import Final, LiteralString

from psycopg import Connection

_EARLIER: Final[LiteralString] = """
    ALTER TABLE strongroom_migration.migrations DROP COLUMN lifted, DROP COLUMN snapshot,
        ADD COLUMN required text[] NOT NULL DEFAULT '{}'
"""
_REQUIRED: Final[LiteralString] = """
    UPDATE strongroom_migration.migrations SET required = %s WHERE name = %s
"""


def as_earlier_version(connection: Connection, name: str, *required: str) -> None:
    """Let the table of states be as in the commit 5c44f45."""
    connection.execute(_EARLIER)
    connection.execute(_REQUIRED, (list(required), name))
