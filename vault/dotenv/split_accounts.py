"""Accounts on servers that a file splits over several variables, such as ``POSTGRES_USER``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from app_integration.secret import Secret
from vault.dotenv.account_names import DATABASE, group
from vault.dotenv.parse import DotenvFile, Variable
from vault.dotenv.proof import values_equal

_HINTS: Final = ("ENGINE", "CONNECTION", "TYPE", "DIALECT", "DRIVER", "ADAPTER", "PORT", "HOST")
_MYSQL: Final = re.compile(r"(?i)mysql|maria|3306")
_POSTGRESQL: Final = re.compile(r"(?i)postgres|pgsql|psycopg|\bPG|5432")


class Server(StrEnum):
    """Kind of a server."""

    POSTGRESQL = "PostgreSQL"
    MYSQL = "MySQL"
    UNKNOWN = "database of an unknown kind or user"


@dataclass(frozen=True, slots=True)
class SplitAccount:
    """An account on a server."""

    server: Server
    parts: Mapping[str, Variable]

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the names of its variables."""
        return tuple(each.name for each in self.parts.values())

    @property
    def url(self) -> Variable:
        """Return the URL of a database as one variable."""
        plain = {part: each.value.reveal() for part, each in self.parts.items()}
        user, password, name = (
            quote(plain.get(part, ""), safe="") for part in ("user", "password", "database")
        )
        host, port = plain.get("host") or "localhost", plain.get("port")
        if host.startswith("/"):  # the folder of a socket
            place = f"/{name}?host={quote(host)}" + (f"&port={port}" if port else "")
        else:
            server = f"[{host}]" if host.count(":") > 1 else host
            place = (f"{server}:{port}" if port else server) + f"/{name}"
        lines = tuple(each.line for each in self.parts.values())
        value = Secret(f"postgresql://{user}:{password}@{place}")
        return Variable(", ".join(self.variables), value, lines, frozenset(self.variables))

    def is_at(self, url: str) -> bool:
        """Return whether *url* has the user and password of this account, and all other parts."""
        found = parts_of(url)
        if "user" not in self.parts or not found:
            return False
        return all(
            values_equal(each.value, found.get(part, "")) for part, each in self.parts.items()
        )


def parts_of(url: str) -> dict[str, str]:
    """Return the parts of the account in *url*, or none if it has no password."""
    try:
        there = urlsplit(url + "")
        port = str(there.port or 5432)
    except ValueError:
        return {}
    if not there.password:
        return {}
    found = {"host": there.hostname, "port": port, "database": there.path[1:]}
    found |= {"user": there.username, "password": there.password}
    return {part: unquote(text or "") for part, text in found.items()}


def find_databases(file: DotenvFile, skipped: Collection[str]) -> Iterator[SplitAccount]:
    """Return the accounts on databases, in the order of the file."""
    for prefix, parts in group(DATABASE, file.variables).items():
        account = {part: file.variables[name] for name, part in parts.items()}
        is_whole = "password" in account and {"host", "user", "database"} & set(account)
        if is_whole and not set(parts) & set(skipped):
            yield SplitAccount(_kind(file, prefix, account.get("user")), account)


def _kind(file: DotenvFile, prefix: str, user: Variable | None) -> Server:
    """Return the kind of the database that the variables with *prefix* describe."""
    found = (file.variables.get(f"{prefix}{hint}") for hint in _HINTS)
    text = " ".join([prefix, *(each.value.reveal() for each in found if each)])
    if _MYSQL.search(text):
        return Server.MYSQL
    is_usable = user and user.value.reveal() and _POSTGRESQL.search(text)
    return Server.POSTGRESQL if is_usable else Server.UNKNOWN
