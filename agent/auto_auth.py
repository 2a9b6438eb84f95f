"""Auto-auth methods of an agent, as the environment declares them.

With AppRole, the supervisor issues a new secret-id at each start. The other methods use an identity
that the machine has already, and the agent reads its file again at each login.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from app_integration.errors import ConfigurationError
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Scope
from app_integration.permissions import need
from vault.declare.schema.model import Agent


class AutoAuth(Protocol):
    """One method of the agent's ``auto_auth`` block."""

    @property
    def method(self) -> str:
        """Return the name of the method."""
        ...

    @property
    def mount(self) -> str:
        """Return the path of the method below ``auth/``."""
        ...

    def config(self, scope: Scope) -> Mapping[str, object]:
        """Return the method's ``config`` block, for the role of *scope*."""
        ...


@dataclass(frozen=True, slots=True)
class AppRoleAutoAuth:
    """AppRole login with a role-id and a secret-id."""

    method: ClassVar[str] = "approle"

    role_id_file: Path
    secret_id_file: Path
    mounts: Mounts = DEFAULT_MOUNTS
    is_wrapped: bool = True

    @property
    def mount(self) -> str:
        """Return the path of the AppRole method below ``auth/``."""
        return self.mounts.approle

    def config(self, scope: Scope) -> Mapping[str, object]:
        """Return the two files. The agent deletes a wrapped secret-id after it has read it.

        It does not delete one that is not wrapped, because it needs that again when it restarts.
        """
        files = {
            "role_id_file_path": self.role_id_file,
            "secret_id_file_path": self.secret_id_file,
        }
        if not self.is_wrapped:
            return {**files, "remove_secret_id_file_after_reading": False}
        issuing = need("issue-secret-id", str(scope), self.mounts)
        return {
            **files,
            "secret_id_response_wrapping_path": issuing.path,
            "remove_secret_id_file_after_reading": True,
        }


@dataclass(frozen=True, slots=True)
class JwtAutoAuth:
    """JWT login with a token file, which the platform replaces before the token expires."""

    method: ClassVar[str] = "jwt"
    mount: ClassVar[str] = "jwt"

    token_file: Path

    def config(self, scope: Scope) -> Mapping[str, object]:
        """Return the file and the role.

        The agent does not delete the file, because it needs it again when it restarts. While it
        runs it remembers the token, so that it can log in again although the file is missing.
        """
        return {
            "path": self.token_file,
            "role": scope,
            "remove_jwt_after_reading": False,
        }


@dataclass(frozen=True, slots=True)
class KubernetesAutoAuth:
    """Kubernetes login with the service-account token of the pod."""

    method: ClassVar[str] = "kubernetes"
    mount: ClassVar[str] = "kubernetes"

    token_file: Path

    def config(self, scope: Scope) -> Mapping[str, object]:
        """Return the file and the role."""
        return {"token_path": self.token_file, "role": scope}


@dataclass(frozen=True, slots=True)
class CertificateAutoAuth:
    """TLS certificate login."""

    method: ClassVar[str] = "cert"
    mount: ClassVar[str] = "cert"

    certificate_file: Path
    key_file: Path
    cacert: Path | None = None

    def config(self, scope: Scope) -> Mapping[str, object]:
        """Return the files. The agent reads them at each login, as certificates are renewed."""
        return {
            "name": scope,
            "client_cert": self.certificate_file,
            "client_key": self.key_file,
            **({"ca_cert": self.cacert} if self.cacert else {}),
            "reload": True,
        }


def auto_auth_from_declaration(
    agent: Agent, approle: AppRoleAutoAuth, cacert: Path | None = None
) -> AutoAuth:
    """Return the auto-auth method that the environment declares for its agents."""
    match agent.login:
        case "approle":
            return approle
        case "jwt":
            return JwtAutoAuth(_declared_path(agent.token_file, "token_file"))
        case "kubernetes":
            return KubernetesAutoAuth(_declared_path(agent.token_file, "token_file"))
        case "cert":
            certificate = _declared_path(agent.certificate_file, "certificate_file")
            key = _declared_path(agent.key_file, "key_file")
            return CertificateAutoAuth(certificate, key, cacert)


def _declared_path(path: str | None, key: str) -> Path:
    if path is None:
        raise ConfigurationError(f"agent.{key} is not declared; declare it, the login needs it")
    return Path(path)
