"""Auth methods that log in with one request, and the interface of all auth methods.

:mod:`app_integration.auth.wrapped_approle` has the method that needs several requests, and
:mod:`app_integration.auth.agent` those whose token belongs to another process.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from app_integration.auth.credential_file import content_stamp, read_credential
from app_integration.errors import (
    AccessDenied,
    RequestRefused,
    StrongroomError,
)
from app_integration.names import APPROLE_MOUNT, CERT_MOUNT
from app_integration.permissions import need
from app_integration.secret import Secret
from app_integration.transport import payloads
from app_integration.transport.payloads import Auth

log = logging.getLogger(__name__)


class Send(Protocol):
    """A function that sends one request within a deadline that is already set."""

    def __call__(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: Token | None = None,
    ) -> dict[str, Any]:
        """Send the request, with *token* if it is not None, and return the decoded response."""
        ...


@dataclass(frozen=True, slots=True)
class Token:
    """A Vault token, with its TTL as the server reported it.

    Attributes:
        value: None for an agent's proxy, which adds its own token.
        ttl: Seconds from the moment of issue; 0 for a token that never expires, or an unknown TTL.
        renewable: Whether ``auth/token/renew-self`` extends it.
        accessor: An id with which the token can be looked up and revoked; "" if it is unknown.
        accessor_hmac: The HMAC of *accessor* that the server's audit log has; None if it is
            unknown.
        policies: Names of its policies; none if they are unknown.

    """

    value: Secret | None
    ttl: float
    renewable: bool
    accessor: str = field(default="", repr=False)
    accessor_hmac: str | None = None
    policies: tuple[str, ...] = ()

    @classmethod
    def from_auth(cls, auth: Auth) -> Token:
        """Return the token in the response to a login."""
        return cls(
            auth.client_token,
            auth.lease_duration,
            auth.renewable,
            auth.accessor,
            policies=auth.policies,
        )

    def with_renewal(self, auth: Auth) -> Token:
        """Return this token with the TTL that the response to its renewal reports."""
        return replace(Token.from_auth(auth), accessor_hmac=self.accessor_hmac)


class AuthMethod(ABC):
    """One way to log in. A session calls it again each time it needs another token."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """Return the name of the method, such as AppRole, for traces."""
        return type(self).__name__

    @property
    def owns_token(self) -> bool:
        """Return whether this process owns the token, so that it renews and revokes it."""
        return True

    @property
    @abstractmethod
    def hint(self) -> str:
        """Return the advice that follows in the error when the server rejects the login."""

    @abstractmethod
    def login(self, send: Send) -> Token:
        """Return a new token.

        Raises:
            StrongroomError: If the credential cannot be read, or the login fails.

        """

    def has_new_credential(self) -> bool:
        """Return whether a login would use another credential than the last one did."""
        return False


@dataclass(slots=True)
class AppRole(AuthMethod):
    """AppRole, with role-id and secret-id in files that are read at each login.

    A new secret-id in its file is used at the next request, so that a rotation need not wait for a
    restart. *settings* names the two files in errors, and *mount* is the path below ``auth/``.
    """

    role_id_file: Path
    secret_id_file: Path
    mount: str = APPROLE_MOUNT
    settings: tuple[str, str] = ("STRONGROOM_ROLE_ID_FILE", "STRONGROOM_SECRET_ID_FILE")
    _last_stamp: tuple[int, ...] | None = field(default=None, init=False, repr=False, compare=False)
    _is_denied: bool = field(default=False, init=False, repr=False, compare=False)

    @property
    def hint(self) -> str:
        """Return the advice that follows in the error when the server rejects the login."""
        advice = (
            "the role-id or secret-id is wrong, of another server, expired or used up: check "
            f"{self.role_id_file} and {self.secret_id_file}, or issue a new secret-id,"
            " on a local deployment with strongroom up"
        )
        if self._is_denied:  # because a wrong one is a bad request
            advice += (
                "; if it is right, the server may have locked the role out after wrong ones, by"
                f" default for 15 minutes: wait, or disable the lockout of auth/{self.mount}"
            )
        return advice

    def login(self, send: Send) -> Token:
        """Log in at ``auth/approle/login``."""
        found = content_stamp(self.secret_id_file)
        role_id_setting, secret_id_setting = self.settings
        body = {
            "role_id": read_credential(self.role_id_file, role_id_setting),
            "secret_id": read_credential(self.secret_id_file, secret_id_setting),
        }
        try:
            token = log_in(send, self.mount, body)
        except (AccessDenied, RequestRefused) as error:
            self._last_stamp = found  # because another login with this file is rejected, too
            self._is_denied = isinstance(error, AccessDenied)
            raise
        self._last_stamp = found
        return token

    def has_new_credential(self) -> bool:
        """Return whether the secret-id was replaced since the server accepted or rejected it."""
        found = content_stamp(self.secret_id_file)
        return found is not None and found != self._last_stamp


@dataclass(frozen=True, slots=True)
class JwtFile(AuthMethod):
    """A JWT in a file that the platform writes. Kubernetes' auth method takes the same request.

    The file is read at each login, because a platform replaces the JWT before it expires.
    """

    file: Path
    role: str
    mount: str
    setting: str = "STRONGROOM_JWT_FILE"
    hint: str = (
        "check that the platform writes a fresh token into STRONGROOM_JWT_FILE, and that the role"
        " accepts its issuer, audience and subject"
    )

    def login(self, send: Send) -> Token:
        """Log in at ``auth/jwt/login`` or ``auth/kubernetes/login``."""
        body = {"role": self.role, "jwt": read_credential(self.file, self.setting)}
        return log_in(send, self.mount, body)


@dataclass(frozen=True, slots=True)
class Certificate(AuthMethod):
    """Login with the TLS client certificate that the session's connections present."""

    hint = (
        "the certificate in VAULT_CLIENT_CERT is expired, or the role does not accept it: issue"
        " another, or change the role"
    )
    role: str
    mount: str = CERT_MOUNT

    def login(self, send: Send) -> Token:
        """Log in at ``auth/cert/login``."""
        return log_in(send, self.mount, {"name": self.role})


@dataclass(frozen=True, slots=True)
class StaticToken(AuthMethod):
    """A token that was obtained elsewhere. It is used as it is, and never replaced."""

    owns_token = False
    hint = "the token is no longer valid: obtain another"
    value: Secret

    def login(self, send: Send) -> Token:  # noqa: ARG002 (a parameter of the interface)
        """Return the token itself; *send* is not used."""
        return Token(value=self.value, ttl=0.0, renewable=False)


@dataclass(frozen=True, slots=True)
class AuditedAuthMethod(AuthMethod):
    """A wrapper of another auth method that adds :attr:`Token.accessor_hmac` to its tokens."""

    method: AuthMethod
    device: str

    @property
    def label(self) -> str:
        """Return the name of the wrapped method."""
        return self.method.label

    @property
    def owns_token(self) -> bool:
        """Return whether this process owns the token of the wrapped method."""
        return self.method.owns_token

    @property
    def hint(self) -> str:
        """Return the hint of the wrapped method."""
        return self.method.hint

    def has_new_credential(self) -> bool:
        """Return whether the wrapped method has a new credential."""
        return self.method.has_new_credential()

    def login(self, send: Send) -> Token:
        """Log in, and request the HMAC of the accessor.

        A token without it is returned if its policy does not grant that request, because the
        ``request_id`` in an access record leads to the same line of the audit log.
        """
        token = self.method.login(send)
        if not token.accessor:
            return token
        path, body = need("hash-for-audit", self.device).path, {"input": token.accessor}
        try:
            hmac = payloads.parse_text(send("POST", path, body, token=token), path, "hash")
        except StrongroomError as error:
            log.info("access records will not contain the token's accessor: %s", error)
            return token
        return replace(token, accessor_hmac=hmac)


def log_in(send: Send, mount: str, body: Mapping[str, Any]) -> Token:
    """Send the credential *body* to the auth method on *mount*, and return the token."""
    path = f"auth/{mount}/login"
    return Token.from_auth(payloads.parse_auth(send("POST", path, body), path))
