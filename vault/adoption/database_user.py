"""The database user of a URL, as the database knows it: who is logged in, who may change it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from sqlalchemy import URL

from app_integration.errors import StrongroomError

CONNECT_SECONDS: Final = 5
#: PostgreSQL 16: who may change a role's password is told by ADMIN OPTION on it.
OLDEST: Final = 160_000


class DatabaseRefused(StrongroomError):
    """The database doesn't answer, or not as needed; the message never holds a password."""


@dataclass(frozen=True, slots=True)
class DatabaseLogin:
    """One session that is open under the user."""

    application: str
    address: str
    state: str

    def __str__(self) -> str:
        return (
            f"{self.application or '(no name)'} from {self.address or 'this host'} ({self.state})"
        )


@contextmanager
def connected(url: URL) -> Iterator[psycopg.Connection]:
    """As the user of *url* itself, whatever role a login would set; commits each statement.

    Raises:
        DatabaseRefused: no connection, or a statement failed.

    """
    query = {key: value for key, value in url.query.items() if isinstance(value, str)}
    try:
        with psycopg.connect(
            host=url.host,
            port=url.port or 5432,
            dbname=url.database,
            user=url.username,
            password=url.password,
            connect_timeout=CONNECT_SECONDS,
            autocommit=True,
            **{**query, "options": "-c role=none"},  # type: ignore[arg-type] # libpq's own names
        ) as connection:
            yield connection
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise DatabaseRefused(f"the database at {url.host}: {reason}") from None


def logins(connection: psycopg.Connection) -> list[DatabaseLogin]:
    """The other sessions of the user that *connection* is logged in as."""
    rows = connection.execute(
        "SELECT application_name, coalesce(host(client_addr), ''), coalesce(state, '')"
        " FROM pg_stat_activity"
        " WHERE usename = session_user AND pid <> pg_backend_pid() ORDER BY backend_start"
    )
    return [DatabaseLogin(*row) for row in rows.fetchall()]


def unfit(connection: psycopg.Connection) -> str | None:
    """Return why the user that *connection* is logged in as can't be adopted; None if they can.

    The declaration doesn't tell: such a user is known to the database alone.
    """
    row = connection.execute(
        "SELECT rolsuper, rolvaliduntil < 'infinity' FROM pg_roles WHERE rolname = session_user"
    ).fetchone()
    superuser, ends = row or (False, False)
    if superuser:
        return "is a superuser, and no manager may set its password"
    return "ends at a set time, as a leased user does" if ends else None


def managed_by(connection: psycopg.Connection, manager: str) -> bool:
    """Whether *manager* may set the password of the user that *connection* is logged in as.

    Raises:
        DatabaseRefused: the server is older than PostgreSQL 16.

    """
    if connection.info.server_version < OLDEST:
        version = connection.info.server_version // 10_000
        raise DatabaseRefused(f"PostgreSQL {version} has no ADMIN OPTION on a user; 16 has")
    row = connection.execute(
        "SELECT 1 FROM pg_auth_members WHERE admin_option"
        " AND roleid = to_regrole(quote_ident(session_user))"
        " AND member = to_regrole(quote_ident(%s))",
        (manager,),
    ).fetchone()
    return row is not None
