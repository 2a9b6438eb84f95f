"""Database URLs: their server, their login, and the same URL with another login. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from app_integration._internal.server_urls import is_postgresql
from app_integration.observability import redaction
from app_integration.secret import Secret
from aws.rotation.errors import RotationRefused

_PORT: Final = 5432
#: Keys of a query that libpq reads in place of a part of the URL.
_OTHER_SERVER: Final = frozenset(
    ("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service")
)


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A URL of one PostgreSQL server with a login.

    *address* is what follows the login in the URL, unchanged.
    """

    scheme: str
    host: str
    port: int
    database: str
    username: str
    password: Secret = field(repr=False)
    address: str = field(repr=False)  # a part of the value

    @classmethod
    def parse(cls, value: Secret, where: str) -> Self:
        """Return the parts of *value*, the URL in the secret *where*."""
        try:
            parts = urlsplit(value.reveal())
            port = parts.port or _PORT
            query = parse_qsl(parts.query, keep_blank_values=True)
        except ValueError:
            raise RotationRefused(
                f"{where} is not a URL; write one with strongroom apply"
            ) from None
        database, host = unquote(parts.path.removeprefix("/")), parts.hostname
        if not (is_postgresql(parts.scheme) and host and "," not in host and database):
            raise RotationRefused(
                f"{where} is not a URL of a database on one PostgreSQL server; write one"
            )
        if not (parts.username and parts.password):
            raise RotationRefused(f"{where} is a URL without user and password; write it with both")
        if others := sorted(_OTHER_SERVER.intersection(key for key, _ in query)):
            raise RotationRefused(
                f"the query of {where} has {', '.join(others)}; write them before the query"
            )
        password = Secret(unquote(parts.password))
        redaction.live.add(password)
        rest = value.reveal().partition("://")[2]
        address = rest[len(parts.netloc.rpartition("@")[0]) + 1 :]
        return cls(parts.scheme, host, port, database, unquote(parts.username), password, address)

    @property
    def server(self) -> tuple[str, int, str]:
        """Return host, port and database."""
        return self.host, self.port, self.database

    def with_login(self, username: str, password: Secret) -> Self:
        """Return the same URL with another login."""
        return replace(self, username=username, password=password)

    def render(self) -> Secret:
        """Return the URL as text."""
        login = f"{quote(self.username, safe='')}:{quote(self.password.reveal(), safe='')}"
        return Secret(f"{self.scheme}://{login}@{self.address}")
