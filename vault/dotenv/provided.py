"""Secrets that a deployment provides: a file's value for them is replaced by its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from app_integration import names
from app_integration._internal import url_schemes
from app_integration.secret import Secret
from vault.dotenv.parse import DotenvFile, Variable
from vault.dotenv.proof import values_equal
from vault.dotenv.variable_names import names_in_file, secret_name

DATABASE: Final = "database-url"
#: Secrets that a local deployment provides, and the server that each belongs to.
SERVERS: Final = {
    DATABASE: "database",
    "redis-url": "Redis",
    "smtp-password": "mail server",
}


@dataclass(frozen=True, slots=True)
class Provided:
    """Secrets that a deployment provides.

    Attributes:
        values: Its value of each secret by name, or None if it has none yet.

    """

    values: Mapping[str, Secret | None] = field(default_factory=dict)

    def has(self, variable: Variable) -> bool:
        """Return whether *variable* is one of these secrets."""
        return secret_name(variable.name) in self.values

    def replaces(self, variable: Variable) -> bool:
        """Return whether the file's value is not used, because it belongs to another server."""
        if not self.has(variable):
            return False
        own = self.values[secret_name(variable.name)]
        return own is None or not _same_server(variable.value, own)


def provided_to_new(file: DotenvFile) -> Provided:
    """Return the secrets that a local deployment will provide to a new service with this file.

    It provides a database if the file has the URL of one that is PostgreSQL.

    Args:
        file: The ``.env`` file.

    """
    name = names_in_file(file, ()).get(names.variable_name(DATABASE), "")
    url = file.variables.get(name)
    has_database = url is not None and is_postgresql(url.value)
    return Provided({name: None for name in SERVERS if name != DATABASE or has_database})


def is_postgresql(url: str) -> bool:
    """Return whether *url* is that of a PostgreSQL database, with any driver."""
    scheme, separator, _ = (url + "").partition("://")
    return bool(separator) and url_schemes.is_postgresql(scheme)


def _same_server(value: str, own: str) -> bool:
    """Return whether both are equal, or URLs of the same host and port."""
    if values_equal(value, own):
        return True
    try:
        here, there = urlsplit(value + ""), urlsplit(own + "")
        return bool(here.hostname) and (here.hostname, here.port) == (there.hostname, there.port)
    except ValueError:
        return False
