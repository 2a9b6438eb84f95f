"""Check of a write that the guard of a table refuses."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from migration import error_text


def check_refused(connection: Connection, table: str, write: LiteralString, message: str) -> None:
    """Check that *write* fails with *message* and leaves the rows of *table* as they were."""
    rows = SQL("SELECT t::text FROM {} AS t ORDER BY id").format(Identifier(table))
    before = connection.execute(rows).fetchall()
    with pytest.raises(psycopg.Error, match=message) as caught, connection.transaction():
        connection.execute(write)
    assert caught.value.sqlstate == error_text.REFUSED
    assert connection.execute(rows).fetchall() == before
