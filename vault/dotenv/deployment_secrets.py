"""Secrets that a deployment provides: a file's value for them is replaced by its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from app_integration._internal import server_urls
from app_integration.secret import Secret
from vault.dotenv.account_names import mail_passwords
from vault.dotenv.parse import DotenvFile
from vault.dotenv.proof import values_equal
from vault.dotenv.split_accounts import Server, find_databases
from vault.dotenv.variable_names import find_secret_name, find_variable

DATABASE: Final = "database-url"
#: Secrets that a local deployment provides, and the server that each belongs to.
SERVERS: Final = {
    DATABASE: "database",
    "redis-url": "Redis",
    "smtp-password": "mail server",
}


@dataclass(frozen=True, slots=True)
class Provided:
    """Secrets that a deployment provides; a value is None if it has none yet."""

    values: Mapping[str, Secret | None] = field(default_factory=dict)

    def has(self, variable: str) -> bool:
        """Return whether the variable of that name is one of these secrets."""
        return find_secret_name(variable) in self.values

    def replaces(self, secret: str, value: str) -> bool:
        """Return whether the file's *value* is not used, because it belongs to another server."""
        if secret not in self.values:
            return False
        own = self.values[secret]
        return own is None or not same_server(value, own)

    def with_mail_of(self, file: DotenvFile) -> Provided:
        """Return these secrets and the passwords of the mail accounts in *file*."""
        passwords = filter(None, map(find_secret_name, mail_passwords(file.variables)))
        return Provided({**dict.fromkeys(passwords), **self.values})


def provided_to_new(file: DotenvFile) -> Provided:
    """Return the secrets that a local deployment will provide to a new service with this file.

    It provides a database if the file has the URL of one that is PostgreSQL, or its account.
    """
    url = find_variable(file, DATABASE)
    has_database = (
        is_postgresql(url.value)
        if url
        else any(each.server is Server.POSTGRESQL for each in find_databases(file, ()))
    )
    own = {name: None for name in SERVERS if name != DATABASE or has_database}
    return Provided(own).with_mail_of(file)


def is_postgresql(url: str) -> bool:
    """Return whether *url* is that of a PostgreSQL database, with any driver."""
    scheme, separator, _ = (url + "").partition("://")
    return bool(separator) and server_urls.is_postgresql(scheme)


def in_scheme_of(model: str, url: str) -> str:
    """Return *url* with the scheme of *model*, if both are URLs of PostgreSQL.

    The scheme names a driver or none, and applications differ in what they read. The result is
    plain text, also that of a secret.
    """
    if not (is_postgresql(model) and is_postgresql(url)):
        return url + ""
    return (model + "").partition("://")[0] + "://" + (url + "").partition("://")[2]


def same_server(value: str, own: str) -> bool:
    """Return whether both are equal, or URLs of the same host and port."""
    if values_equal(value, own):
        return True
    try:
        here, there = urlsplit(value + ""), urlsplit(own + "")
        return bool(here.hostname) and (here.hostname, here.port) == (there.hostname, there.port)
    except ValueError:
        return False
