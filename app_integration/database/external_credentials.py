"""Credentials of a database user that is managed elsewhere, read again for each connection.

Either a secret has them, whose password the server (a static role), RDS or an operator changes. Or
the agent leases the user and delivers it in a file, so that all processes of a host share a lease.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from app_integration.config.loader import ConfigFile
from app_integration.database.credentials import CredentialProvider, Credentials
from app_integration.errors import OUTAGE, ConfigurationError
from app_integration.observability import redaction
from app_integration.secret import Secret

_REDIS_SCHEMES: Final = ("redis", "rediss", "unix")
_LOGIN: Final = ("username", "password")
_REDIS_EXAMPLE: Final = "redis://:PASSWORD@HOST:6379/0"
_EXAMPLE: Final = "postgresql://USER:PASSWORD@HOST/DATABASE"


class ExternalCredentials(CredentialProvider):
    """Credentials that are read and never leased, so never renewed or revoked. Thread-safe."""

    def __init__(self, read: Callable[[bool], Credentials], *, watch: bool = False) -> None:
        """Create the provider; the first :meth:`current` reads the credentials.

        Args:
            read: Returns the current credentials. Its argument is True after the database rejected
                the last ones, because their cached value is wrong.
            watch: Whether each checkout also reads, and discards connections of other users. Set it
                for a user that is dropped with its lease, and only if *read* is cheap.

        """
        self._read = read
        self._watch = watch
        self._stale = False
        self._last: Credentials | None = None
        super().__init__()

    def current(self) -> Credentials:
        """Read and return the credentials. Raises what reading raises."""
        stale, self._stale = self._stale, False
        before, self._last = self._last, self._read(stale)
        if before is not None and before.username != self._last.username:
            self._close_outdated()
        return self._last

    def on_auth_failure(self, credentials: Credentials) -> None:  # noqa: ARG002 (any user is read again)
        """Bypass all caches at the next read, because a password may change within its TTL."""
        self._stale = True

    def is_current(self, username: str) -> bool:
        """Return whether *username* is the current user.

        Only the username counts, because a session outlives a password change.
        """
        last = self._read(False) if self._watch else self._last
        return last is None or last.username == username

    def close(self) -> None:
        """Do nothing, because there is no lease."""


def credentials_from_secret(get: Callable[[bool], Secret], name: str) -> ExternalCredentials:
    """Return a provider of the username and password in the value of a secret.

    The value is a URL, or a JSON object with the keys ``username`` and ``password``.

    Args:
        get: Returns the secret, bypassing its cache if the argument is True.
        name: The name of the secret, for error messages.

    """

    def read(stale: bool) -> Credentials:
        try:
            url = get(stale)
        except OUTAGE:
            if not stale:
                raise
            url = get(False)  # because the database may accept again what it rejected once
        # A password alone is that of the user "default" of Redis.
        is_redis = url.partition("://")[0].lower() in _REDIS_SCHEMES
        username, password = _login_in(url)
        if is_redis and not username:
            username = "default"
            password = password or Secret("")  # a server without one takes any
        if not username or password is None:
            example = _REDIS_EXAMPLE if is_redis else _EXAMPLE
            raise ConfigurationError(
                f"the secret {name} is no URL or JSON object with a username and a password; store "
                f"a URL such as {example}, or an object with the texts username and password"
            )
        return Credentials(username, password)

    return ExternalCredentials(read)


def _login_in(url: Secret) -> tuple[str, Secret | None]:
    """Return the username and the password in *url*; neither if it cannot be read."""
    with suppress(ValueError, RecursionError):  # which may show both
        if url.startswith("{"):
            return _login_of(json.loads(url + ""))
        parts = urlsplit(url + "")  # the characters: str() of a Secret is redacted
        password = None if parts.password is None else Secret(unquote(parts.password))
        return unquote(parts.username or ""), password
    return "", None


def _login_of(fields: Mapping[str, Any]) -> tuple[str, Secret | None]:
    """Return the username and the password among *fields*; neither if one is missing."""
    username, password = map(fields.get, _LOGIN)
    if not isinstance(username, str) or not isinstance(password, str):
        return "", None
    redaction.live.add(password)
    return username, Secret(password)


@dataclass(frozen=True, slots=True)
class _DeliveredCredentials:
    """Content of a delivered file: the fields ``username`` and ``password``."""

    credentials: Credentials

    @classmethod
    def model_validate(cls, obj: Any, /) -> Self:
        """Return the credentials in the parsed file *obj*. See :class:`.config.loader.Model`.

        The message of an error holds no value.
        """
        fields = obj if isinstance(obj, Mapping) else {}
        for field in _LOGIN:
            if not isinstance(fields.get(field), str) or not fields[field]:
                raise ValueError(f"{field} is missing or not text")
        redaction.live.add(fields["password"])
        return cls(Credentials(fields["username"], Secret(fields["password"])))


def credentials_from_file(path: str | Path) -> ExternalCredentials:
    """Return a provider of the credentials that the agent delivers in a file.

    Args:
        path: A YAML or JSON file with ``username`` and ``password``.

    Raises:
        ConfigRejected: If the file is missing or cannot be trusted. A later change that is rejected
            leaves the last accepted credentials in use.

    """
    file = ConfigFile(_DeliveredCredentials, path)
    return ExternalCredentials(lambda _stale: file.current().credentials, watch=True)
