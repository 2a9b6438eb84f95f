"""A database user that somebody else looks after: its password is read anew at each connect.

Two kinds: the user in a secret that holds a URL, whose password the server changes (a static role)
or an operator; and a user that the agent leases and delivers in a file, its to renew and to give
back: one lease for all processes of a host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from app_integration.config.loader import ConfigFile
from app_integration.database.credentials import CredentialProvider, Credentials
from app_integration.errors import ConfigurationError
from app_integration.observability import redaction
from app_integration.secret import Secret


class ExternalCredentials(CredentialProvider):
    """A user that is read, never leased: nothing to renew, nothing to give back. Thread-safe."""

    def __init__(self, read: Callable[[bool], Credentials], *, watch: bool = False) -> None:
        """Read nothing yet.

        Args:
            read: gives the user of now. Its argument is True after the database has refused the
                last: what is cached is wrong then.
            watch: whether to read at each checkout too, and leave connections of other users. For
                a user whose sessions end with it; *read* must cost nothing then.

        """
        self._read = read
        self._watch = watch
        self._stale = False
        self._last: Credentials | None = None
        super().__init__()

    def current(self) -> Credentials:
        """The user as it is read now. Raises what reading raises."""
        stale, self._stale = self._stale, False
        before, self._last = self._last, self._read(stale)
        if before is not None and before.username != self._last.username:
            self._retire()
        return self._last

    def on_auth_failure(self, login: Credentials) -> None:  # noqa: ARG002 (whoever it was, it is read anew)
        """Have it read past all caches: a password may be changed before its time."""
        self._stale = True

    def is_current(self, username: str) -> bool:
        """Return whether *username* is the user of now; a session outlives a password change."""
        last = self._read(False) if self._watch else self._last
        return last is None or last.username == username

    def close(self) -> None:
        """Nothing is held."""


def in_secret(get: Callable[[bool], Secret], name: str) -> ExternalCredentials:
    """The user in the URL that the secret *name* holds; *get* reads it, past its cache for True."""

    def read(stale: bool) -> Credentials:
        parts = urlsplit(get(stale) + "")  # of a Secret, the characters
        if not parts.username or parts.password is None:
            raise ConfigurationError(f"the secret {name} is no URL with a user and a password")
        return Credentials(unquote(parts.username), Secret(unquote(parts.password)))

    return ExternalCredentials(read)


@dataclass(frozen=True, slots=True)
class _Delivered:
    """A file with ``username`` and ``password``."""

    login: Credentials

    @classmethod
    def model_validate(cls, obj: Any, /) -> Self:
        """As :class:`config.Model` has it. Raises ValueError, without a value in its text."""
        fields = obj if isinstance(obj, Mapping) else {}
        for field in ("username", "password"):
            if not isinstance(fields.get(field), str) or not fields[field]:
                raise ValueError(f"{field} is missing or no text")
        redaction.live.add(fields["password"])
        return cls(Credentials(fields["username"], Secret(fields["password"])))


def in_file(path: Path) -> ExternalCredentials:
    """The user that the agent delivers at *path*: ``username`` and ``password``, as YAML or JSON.

    Raises:
        ConfigRejected: the file is missing or can't be trusted. Later on, the last good one stays.

    """
    file = ConfigFile(_Delivered, path)
    return ExternalCredentials(lambda _stale: file.current().login, watch=True)
