"""How an agent logs in: its ``auto_auth`` method, as the environment declares it.

By AppRole it is given a fresh credential at each start, by whoever starts it. The others are
identities that its machine has already; the file is read again at each login.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.permissions import need
from vault.declare.schema.model import Agent


class AutoAuth(Protocol):
    """One ``auto_auth`` method."""

    @property
    def method(self) -> str:
        """Its name, under which it is also mounted."""
        ...

    def config(self, scope: Scope) -> Mapping[str, object]:
        """The method's configuration, for the role of *scope*."""
        ...


@dataclass(frozen=True, slots=True)
class AppRoleAutoAuth:
    """A role-id, and a secret-id that can be unwrapped once."""

    method: ClassVar[str] = "approle"

    role_id_file: Path
    secret_id_file: Path

    def config(self, scope: Scope) -> Mapping[str, object]:
        """The two files; the secret-id is deleted once it is read."""
        return {
            "role_id_file_path": self.role_id_file,
            "secret_id_file_path": self.secret_id_file,
            "secret_id_response_wrapping_path": need("issue-secret-id", str(scope)).path,
            "remove_secret_id_file_after_reading": True,
        }


@dataclass(frozen=True, slots=True)
class JwtAutoAuth:
    """A signed token in a file, which the platform replaces before it ends."""

    method: ClassVar[str] = "jwt"

    token_file: Path

    def config(self, scope: Scope) -> Mapping[str, object]:
        """The file stays: an agent that starts again needs it. A lost one is remembered."""
        return {
            "path": self.token_file,
            "role": scope,
            "remove_jwt_after_reading": False,
        }


@dataclass(frozen=True, slots=True)
class KubernetesAutoAuth:
    """The pod's own token."""

    method: ClassVar[str] = "kubernetes"

    token_file: Path

    def config(self, scope: Scope) -> Mapping[str, object]:
        """The file and the role."""
        return {"token_path": self.token_file, "role": scope}


@dataclass(frozen=True, slots=True)
class CertificateAutoAuth:
    """A TLS client certificate; *cacert* vouches for the server, None for the system's."""

    method: ClassVar[str] = "cert"

    certificate_file: Path
    key_file: Path
    cacert: Path | None = None

    def config(self, scope: Scope) -> Mapping[str, object]:
        """The files, read again at each login: certificates are renewed."""
        return {
            "name": scope,
            "client_cert": self.certificate_file,
            "client_key": self.key_file,
            **({"ca_cert": self.cacert} if self.cacert else {}),
            "reload": True,
        }


def declared_auto_auth(
    agent: Agent, approle: AppRoleAutoAuth, cacert: Path | None = None
) -> AutoAuth:
    """The login that the environment declares for its agents.

    Args:
        agent: of the environment's declaration.
        approle: where the machine keeps AppRole credentials, for when that is the method.
        cacert: PEM of whoever vouches for the server; None for the system's.

    Raises:
        ConfigurationError: a file that the method needs isn't declared.

    """
    match agent.login:
        case "approle":
            return approle
        case "jwt":
            return JwtAutoAuth(_declared(agent.token_file, "token_file"))
        case "kubernetes":
            return KubernetesAutoAuth(_declared(agent.token_file, "token_file"))
        case "cert":
            certificate = _declared(agent.certificate_file, "certificate_file")
            return CertificateAutoAuth(certificate, _declared(agent.key_file, "key_file"), cacert)


def _declared(path: str | None, key: str) -> Path:
    if path is None:
        raise ConfigurationError(f"agent.{key} is not declared; its login needs that file")
    return Path(path)
