"""Ways to log in: each turns what a machine holds into a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from app_integration.errors import ConfigurationError
from app_integration.names import APPROLE_MOUNT
from app_integration.secret import Secret

#: Sends one POST without a token and gives the decoded answer.
Post = Callable[[str, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Token:
    """A token and what the server says of its life.

    Attributes:
        ttl: seconds it lives from the moment of issue; 0 means for ever.
        renewable: whether ``auth/token/renew-self`` prolongs it.
    """

    value: Secret
    ttl: float
    renewable: bool

    @classmethod
    def from_auth(cls, auth: Mapping[str, Any]) -> Token:
        """The token in an answer's ``auth`` block."""
        return cls(
            value=Secret(auth["client_token"]),
            ttl=float(auth["lease_duration"]),
            renewable=bool(auth["renewable"]),
        )


class Login(Protocol):
    """One way to log in; called again whenever the token has gone."""

    def __call__(self, post: Post) -> Token:
        """A fresh token. Raises an error of :mod:`app_integration.errors`."""
        ...


@dataclass(frozen=True, slots=True)
class AppRole:
    """AppRole with its two halves in files, read at each login so that they can be replaced."""

    role_id_file: Path
    secret_id_file: Path

    def __call__(self, post: Post) -> Token:
        """Log in at ``auth/approle/login``."""
        body = {
            "role_id": read_credential(self.role_id_file, "STRONGROOM_ROLE_ID_FILE"),
            "secret_id": read_credential(self.secret_id_file, "STRONGROOM_SECRET_ID_FILE"),
        }
        return Token.from_auth(post(f"auth/{APPROLE_MOUNT}/login", body)["auth"])


@dataclass(frozen=True, slots=True)
class GivenToken:
    """A token that somebody else obtained; it is used as it is and never replaced."""

    value: Secret

    def __call__(self, post: Post) -> Token:  # noqa: ARG002 (the protocol's parameter)
        """The token itself; *post* isn't used."""
        return Token(value=self.value, ttl=0.0, renewable=False)


def read_credential(path: Path, setting: str) -> str:
    """The one line that *path* holds; *setting* is named in errors.

    Raises:
        ConfigurationError: the file is missing, unreadable or empty.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{path} ({setting}) can't be read: {error.strerror}") from None
    if not text:
        raise ConfigurationError(f"{path} ({setting}) is empty; issue a new credential into it")
    return text
