"""Logins to PostgreSQL, and the change of a user's password by the manager.

Every connection uses SCRAM and, unless the database is on this machine, TLS with the server's name
verified. libpq reads the certificates of authorities from ``PGSSLROOTCERT``: a path in the URL is
one of the application's machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from app_integration._internal.server_urls import is_loopback_host
from app_integration.secret import Secret
from aws.rotation.database_url import DatabaseUrl
from aws.rotation.errors import RotationRefused

_CONNECT_SECONDS: Final = 5
#: psycopg sets no SQLSTATE when a login is rejected, so the message decides.
_REJECTED: Final = "password authentication failed"


class DatabaseFailed(RotationRefused):
    """A failed connection or statement. The message never has a password."""


class _LoginRejected(DatabaseFailed):
    """A login that the server knows no such user and password for."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a login to the database is; *role* is the one that it acts as, after ``SET role``."""

    role: str
    is_superuser: bool
    expires: bool


class Database:
    """Connections to the servers that URLs name."""

    def find_login(self, url: DatabaseUrl) -> Login | None:
        """Log in, and return what the login is; None if the server rejects user or password."""
        try:
            with _connect(url) as connection:
                row = connection.execute(
                    "SELECT current_user, rolsuper, coalesce(rolvaliduntil < 'infinity', false)"
                    " FROM pg_roles WHERE rolname = session_user"
                ).fetchone()
        except _LoginRejected:
            return None
        if row is None:
            raise DatabaseFailed(f"{url.username} is not in pg_roles; grant it SELECT on that view")
        return Login(*row)

    def set_password(
        self,
        manager: DatabaseUrl,
        username: str,
        password: Secret,
        *,
        lock: str,
        confirm: Callable[[], None],
    ) -> Mapping[str, int]:
        """Set the password of *username*. The server gets its SCRAM verifier only.

        *confirm* runs while this invocation holds *lock*, so that a delayed, older one cannot
        overwrite a newer password. Returns the number of the user's open sessions, by the name of
        their client.
        """
        with _connect(manager) as connection, connection.transaction():
            connection.execute(SQL("SET LOCAL lock_timeout = {}").format(Literal("5s")))
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
            confirm()
            pgconn = connection.pgconn
            verifier = pgconn.encrypt_password(
                password.encode(), username.encode(), b"scram-sha-256"
            )
            statement = SQL("ALTER ROLE {} PASSWORD {}")
            connection.execute(statement.format(Identifier(username), Literal(verifier.decode())))
            rows = connection.execute(
                "SELECT application_name, count(*) FROM pg_stat_activity WHERE usename = %s"
                " GROUP BY 1 ORDER BY 1",
                [username],
            )
            return dict(rows.fetchall())


def connection_parameters(url: DatabaseUrl) -> dict[str, Any]:
    """Return what libpq gets, without the password. The query of the URL is the application's."""
    return {
        "host": url.host,
        "port": url.port,
        "dbname": url.database,
        "user": url.username,
        "sslmode": "disable" if is_loopback_host(url.host) else "verify-full",
        "require_auth": "scram-sha-256",  # otherwise a server may request the plain password
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": "strongroom-rotation",
    }


@contextmanager
def _connect(url: DatabaseUrl) -> Iterator[psycopg.Connection[Any]]:
    """Open a connection in autocommit mode, as the user of *url*."""
    try:
        with psycopg.connect(
            **connection_parameters(url), password=url.password.reveal(), autocommit=True
        ) as connection:
            yield connection
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        kind = _LoginRejected if _REJECTED in reason else DatabaseFailed
        raise kind(f"the database at {url.host}, as {url.username}: {reason}") from None
