"""Queries about the database user of a URL: its sessions, its attributes and its manager."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app_integration.errors import StrongroomError

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import URL

CONNECT_SECONDS: Final = 5
#: PostgreSQL 16, because only since then ADMIN OPTION decides who may set a role's password.
MIN_VERSION: Final = 160_000


class DatabaseRefused(StrongroomError):
    """Failed connection or rejected statement.

    The message never contains a password.
    """


@dataclass(frozen=True, slots=True)
class DatabaseLogin:
    """An open session of a database user. *address* is empty for a Unix socket."""

    application: str
    address: str
    state: str

    def __str__(self) -> str:
        return (
            f"{self.application or '(no name)'} from {self.address or 'this host'} ({self.state})"
        )


@contextmanager
def connect(url: URL) -> Iterator[psycopg.Connection]:
    """Open a connection as the user of *url*, in autocommit mode.

    The connection does not switch to another role, even if a login of the user normally does.
    """
    import psycopg  # noqa: PLC0415 (few rotations need a database)

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
        raise DatabaseRefused(
            f"the database at {url.host}: {reason}; correct that, and repeat the command"
        ) from None


def logins(connection: psycopg.Connection) -> list[DatabaseLogin]:
    """Return the other sessions of the user of *connection*, oldest first."""
    rows = connection.execute(
        "SELECT application_name, coalesce(host(client_addr), ''), coalesce(state, '')"
        " FROM pg_stat_activity"
        " WHERE usename = session_user AND pid <> pg_backend_pid() ORDER BY backend_start"
    )
    return [DatabaseLogin(*row) for row in rows.fetchall()]


def count_sessions(connection: psycopg.Connection, user: str) -> dict[str, int]:
    """Return the number of open sessions of *user* by the name that the client reports.

    The database shows an unprivileged user nothing else of another user's sessions.
    """
    rows = connection.execute(
        "SELECT application_name, count(*) FROM pg_stat_activity WHERE usename = %s GROUP BY 1",
        (user,),
    )
    return dict(rows.fetchall())


def find_missing_rights(connection: psycopg.Connection, other: str) -> list[str]:
    """Return the roles and settings that *other* has, and the user of *connection* has not."""
    rows = connection.execute(
        """
        WITH rights AS (
            SELECT member AS user_, 'membership in ' || roleid::regrole AS what
            FROM pg_auth_members
            UNION ALL
            SELECT setrole, 'setting ' || unnest(setconfig) FROM pg_db_role_setting
        )
        SELECT what FROM rights WHERE user_ = to_regrole(quote_ident(%s))
        EXCEPT SELECT what FROM rights WHERE user_ = to_regrole(quote_ident(session_user))
        ORDER BY 1
        """,
        (other,),
    )
    return [row[0] for row in rows.fetchall()]


def adoption_obstacle(connection: psycopg.Connection) -> str | None:
    """Return why the user of *connection* cannot be adopted, or None if it can.

    A check of the declaration cannot replace this one, because only the database knows the
    attributes of the user.
    """
    row = connection.execute(
        "SELECT rolsuper, rolvaliduntil < 'infinity' FROM pg_roles WHERE rolname = session_user"
    ).fetchone()
    superuser, expires = row or (False, False)
    if superuser:
        return "is a superuser, and no manager may set its password"
    return "expires at a set time, as a leased user does" if expires else None


def managed_by(connection: psycopg.Connection, manager: str) -> bool:
    """Return whether *manager* may set the password of the user of *connection*."""
    if connection.info.server_version < MIN_VERSION:
        version = connection.info.server_version // 10_000
        raise DatabaseRefused(
            f"PostgreSQL {version} has no ADMIN OPTION on a user; upgrade to 16 or newer"
        )
    row = connection.execute(
        "SELECT 1 FROM pg_auth_members WHERE admin_option"
        " AND roleid = to_regrole(quote_ident(session_user))"
        " AND member = to_regrole(quote_ident(%s))",
        (manager,),
    ).fetchone()
    return row is not None
