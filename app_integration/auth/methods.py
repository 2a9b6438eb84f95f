"""Ways to log in: each turns what a machine holds into a token.

Those that need more than one request are in :mod:`app_integration.auth.wrapped_approle`, and those
whose token belongs to somebody else in :mod:`app_integration.auth.agent`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.names import APPROLE_MOUNT, CERT_MOUNT
from app_integration.permissions import need
from app_integration.secret import Secret
from app_integration.transport import answers
from app_integration.transport.answers import Auth

log = logging.getLogger(__name__)


class Send(Protocol):
    """Send one request, within a deadline that is set already."""

    def __call__(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: Token | None = None,
    ) -> dict[str, Any]:
        """Return the decoded answer; *token* is sent if given."""
        ...


@dataclass(frozen=True, slots=True)
class Token:
    """A token and what the server says of its life.

    Attributes:
        value: None for an agent's proxy, which adds its own.
        ttl: seconds it lives from the moment of issue; 0 means for ever, or unknown.
        renewable: whether ``auth/token/renew-self`` prolongs it.
        accessor: names the token to whoever may revoke it; "" when it isn't known.
        accessor_hmac: what the server's audit log writes for *accessor*; None when it isn't known.

    """

    value: Secret | None
    ttl: float
    renewable: bool
    accessor: str = field(default="", repr=False)
    accessor_hmac: str | None = None

    @classmethod
    def from_auth(cls, auth: Auth) -> Token:
        """The token that a login gave."""
        return cls(auth.client_token, auth.lease_duration, auth.renewable, auth.accessor)

    def renewed(self, auth: Auth) -> Token:
        """The same token, as its renewal describes it."""
        return replace(Token.from_auth(auth), accessor_hmac=self.accessor_hmac)


class AuthMethod(ABC):
    """One way to log in; called again whenever the token has gone."""

    __slots__ = ()

    @property
    def owns_token(self) -> bool:
        """Whether the token is this process's own, to renew and to revoke."""
        return True

    @property
    @abstractmethod
    def hint(self) -> str:
        """What to look at when the server refuses."""

    @abstractmethod
    def login(self, send: Send) -> Token:
        """A fresh token. Raises an error of :mod:`app_integration.errors`."""

    def has_new_credential(self) -> bool:
        """Whether another token lies ready than the one given last."""
        return False


@dataclass(frozen=True, slots=True)
class AppRole(AuthMethod):
    """AppRole with its two halves in files, read at each login so that they can be replaced."""

    hint = "the role-id or secret-id is wrong, expired or used up: issue a new secret-id"
    role_id_file: Path
    secret_id_file: Path
    mount: str = APPROLE_MOUNT

    def login(self, send: Send) -> Token:
        """Log in at ``auth/approle/login``."""
        body = {
            "role_id": read_credential(self.role_id_file, "STRONGROOM_ROLE_ID_FILE"),
            "secret_id": read_credential(self.secret_id_file, "STRONGROOM_SECRET_ID_FILE"),
        }
        return log_in(send, self.mount, body)


@dataclass(frozen=True, slots=True)
class JwtFile(AuthMethod):
    """A JWT in a file, as a platform puts it there; Kubernetes' own login takes the same.

    The file is read at each login: a platform replaces the token before it ends.
    """

    hint = (
        "see that the platform puts a fresh token into STRONGROOM_JWT_FILE, and that the role takes"
        " its issuer, audience and subject"
    )
    file: Path
    role: str
    mount: str

    def login(self, send: Send) -> Token:
        """Log in at ``auth/jwt/login`` or ``auth/kubernetes/login``."""
        body = {"role": self.role, "jwt": read_credential(self.file, "STRONGROOM_JWT_FILE")}
        return log_in(send, self.mount, body)


@dataclass(frozen=True, slots=True)
class Certificate(AuthMethod):
    """The TLS certificate with which the session's connections are made."""

    hint = "the certificate in VAULT_CLIENT_CERT is expired, or not one that the role takes"
    role: str
    mount: str = CERT_MOUNT

    def login(self, send: Send) -> Token:
        """Log in at ``auth/cert/login``."""
        return log_in(send, self.mount, {"name": self.role})


@dataclass(frozen=True, slots=True)
class StaticToken(AuthMethod):
    """A token that somebody else obtained; it is used as it is and never replaced."""

    owns_token = False
    hint = "the token that was given is no longer valid"
    value: Secret

    def login(self, send: Send) -> Token:  # noqa: ARG002 (the port's parameter)
        """The token itself; *send* isn't used."""
        return Token(value=self.value, ttl=0.0, renewable=False)


@dataclass(frozen=True, slots=True)
class AuditedAuthMethod(AuthMethod):
    """Another login, whose tokens also tell what the server's audit log writes for them.

    Attributes:
        device: the name of an audit device.

    """

    method: AuthMethod
    device: str

    @property
    def owns_token(self) -> bool:
        """As that of the other."""
        return self.method.owns_token

    @property
    def hint(self) -> str:
        """As that of the other."""
        return self.method.hint

    def has_new_credential(self) -> bool:
        """As that of the other."""
        return self.method.has_new_credential()

    def login(self, send: Send) -> Token:
        """Log in, and ask once. A token that may not ask will do: ``request_id`` is in the log."""
        token = self.method.login(send)
        if not token.accessor:
            return token
        path, body = need("hash-for-audit", self.device).path, {"input": token.accessor}
        try:
            made = answers.text(send("POST", path, body, token=token), path, "hash")
        except StrongroomError as error:
            log.info("access records name no accessor: %s", error)
            return token
        return replace(token, accessor_hmac=made)


def log_in(send: Send, mount: str, body: Mapping[str, Any]) -> Token:
    """Present the credential *body* at the auth method on *mount*."""
    path = f"auth/{mount}/login"
    return Token.from_auth(answers.auth(send("POST", path, body), path))


def read_credential(path: Path, setting: str) -> Secret:
    """The one line that *path* holds; *setting* is named in errors.

    Raises:
        ConfigurationError: the file is missing, unreadable or empty.

    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{path} ({setting}) can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} ({setting}) is no text in UTF-8") from None
    if not text:
        raise ConfigurationError(f"{path} ({setting}) is empty; issue a new credential into it")
    return Secret(text)
