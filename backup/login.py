"""Login to a PostgreSQL database, for this process and for PostgreSQL's client programs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from app_integration._internal.input_file import read_input
from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from backup.errors import BackupFailed

CONNECT_SECONDS: Final = 10
#: Settings that the text of a row or a name depends on, that would hide rows, or that would end a
#: long transaction. Of a lock it is waited for a minute.
SETTINGS: Final[Mapping[str, str]] = {
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "search_path": "",
    "row_security": "off",
    "lock_timeout": "60s",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
}


@dataclass(frozen=True, slots=True)
class DatabaseLogin:
    """Parameters of libpq without the password, which is None if the server requires none."""

    parameters: Mapping[str, str]
    password: Secret | None

    @classmethod
    def of(cls, connection: psycopg.Connection) -> DatabaseLogin:
        """Return the login with which *connection* was opened."""
        info = connection.info
        return cls(info.get_parameters(), Secret(info.password) if info.password else None)

    @property
    def database(self) -> str:
        """Return the name of the database."""
        return self.parameters.get("dbname") or self.parameters.get("user", "")

    @contextmanager
    def connect(self, *, autocommit: bool = True) -> Iterator[psycopg.Connection]:
        """Open a connection during the block."""
        password = {"password": self.password.reveal()} if self.password else {}
        defaults = {"connect_timeout": str(CONNECT_SECONDS)}
        parameters = {**defaults, **self.parameters, **password}
        with (
            database_errors(self.database),
            psycopg.connect(make_conninfo(**parameters), autocommit=autocommit) as connection,
        ):
            yield connection

    @contextmanager
    def password_file(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield a connection string with the path of a file that contains the password.

        The program must inherit the descriptors that are yielded with it. The file has no name in
        any folder, so that a kill leaves nothing, and the password is no argument or variable.
        """
        with tempfile.TemporaryFile() as file:
            if self.password is not None:
                file.write(f"*:*:*:*:{_escape(self.password.reveal())}\n".encode())
                file.flush()
            yield (
                make_conninfo(**{**self.parameters, "passfile": descriptor_path(file)}),
                (file.fileno(),),
            )


def read_url_file(path: Path) -> DatabaseLogin:
    """Return the login of the database URL in the file *path*."""
    try:
        found = _parse_url(read_input(path).decode().strip())
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}; pass a readable file with --into"
        ) from None
    except (ArgumentError, ValueError, psycopg.Error):
        raise ConfigurationError(
            f"{path} does not contain the URL of a PostgreSQL database; write one into it"
        ) from None
    password = found.pop("password", None)
    return DatabaseLogin(found, Secret(password) if password else None)


def _parse_url(text: str) -> dict[str, str]:
    """Return the connection parameters in a URL of any driver."""
    url = make_url(text)
    if url.get_backend_name() != "postgresql" or not url.database:
        raise ValueError("not a PostgreSQL database")
    query = {name: value for name, value in url.query.items() if isinstance(value, str)}
    parts = {
        "host": url.host,
        "port": url.port,
        "dbname": url.database,
        "user": url.username,
        "password": url.password,
    }
    found = {**query, **{name: str(part) for name, part in parts.items() if part is not None}}
    make_conninfo(**found)  # because it checks the names
    return found


def pin_settings(connection: psycopg.Connection) -> None:
    """Set :data:`SETTINGS` for the session of *connection*, as far as its server has them."""
    statement = "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = %s"
    for name, value in SETTINGS.items():
        connection.execute(statement, (value, name))


@contextmanager
def database_errors(database: str) -> Iterator[None]:
    """Raise PostgreSQL's errors in the block as :exc:`BackupFailed`, without values of rows."""
    try:
        yield
    except psycopg.Error as error:
        # The primary message names objects; the detail would contain values.
        reason = error.diag.message_primary or " ".join(str(error).split())
        raise BackupFailed(
            f"the database {database}: {reason}; correct that, and run the command again"
        ) from None


def descriptor_path(file: IO[bytes]) -> str:
    """Return the path that a program opens *file* at, because it inherits the descriptor."""
    return f"/dev/fd/{file.fileno()}"


def _escape(password: str) -> str:
    return password.replace("\\", "\\\\").replace(":", "\\:")
