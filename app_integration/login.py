"""Ways to log in: each turns what a machine holds into a token."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.names import APPROLE_MOUNT, need
from app_integration.secret import Secret
from app_integration.settings import Settings

log = logging.getLogger(__name__)


class Post(Protocol):
    """Sends one POST."""

    def __call__(
        self, path: str, body: Mapping[str, Any], *, token: Token | None = None
    ) -> dict[str, Any]:
        """The decoded answer; *token* is sent when given."""
        ...


@dataclass(frozen=True, slots=True)
class Token:
    """A token and what the server says of its life.

    Attributes:
        ttl: seconds it lives from the moment of issue; 0 means for ever.
        renewable: whether ``auth/token/renew-self`` prolongs it.
        accessor: names the token to whoever may revoke it; "" when it isn't known.
        shown_as: what the server's audit log writes for *accessor*; None when it isn't known.
    """

    value: Secret
    ttl: float
    renewable: bool
    accessor: str = field(default="", repr=False)
    shown_as: str | None = None

    @classmethod
    def from_auth(cls, auth: Mapping[str, Any]) -> Token:
        """The token in an answer's ``auth`` block."""
        return cls(
            value=Secret(auth["client_token"]),
            ttl=float(auth["lease_duration"]),
            renewable=bool(auth["renewable"]),
            accessor=auth.get("accessor", ""),
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


@dataclass(frozen=True, slots=True)
class ShownInAudit:
    """Another login, whose tokens also tell what the server's audit log writes for them.

    Attributes:
        device: the name of an audit device.
    """

    login: Login
    device: str

    def __call__(self, post: Post) -> Token:
        """Log in, and ask once. A token that may not ask will do: ``request_id`` is in the log."""
        token = self.login(post)
        path, body = need("hash-for-audit", self.device).path, {"input": token.accessor}
        try:
            answer = post(path, body, token=token)
        except StrongroomError as error:
            log.info("access records name no accessor: %s", error)
            return token
        return replace(token, shown_as=answer["data"]["hash"])


def choose_login(settings: Settings) -> Login:
    """The login that *settings* describe: AppRole with its two files.

    Raises:
        ConfigurationError: a file is not set.
    """
    login = AppRole(*settings.approle_files())
    return ShownInAudit(login, settings.audit_device) if settings.audit_device else login


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
