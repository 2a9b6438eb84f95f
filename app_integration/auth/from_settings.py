"""Choice of the auth method that the settings describe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from app_integration._internal import server_urls
from app_integration.auth.agent import Proxy, TokenFile
from app_integration.auth.methods import (
    AppRole,
    AuditedAuthMethod,
    AuthMethod,
    Certificate,
    JwtFile,
)
from app_integration.auth.wrapped_approle import WrappedAppRole
from app_integration.errors import ConfigurationError
from app_integration.names import APPROLE_MOUNT, CERT_MOUNT, JWT_MOUNT, KUBERNETES_MOUNT
from app_integration.settings import Settings

#: Where Kubernetes mounts a pod's token.
SERVICE_ACCOUNT_TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def build_auth_method(settings: Settings) -> AuthMethod:
    """Return the auth method that *settings* describe. Nothing is read or sent."""
    return add_accessor_hmac(settings, _METHODS[settings.auth.method](settings))


def add_accessor_hmac(settings: Settings, method: AuthMethod) -> AuthMethod:
    """Return *method*, whose tokens have :attr:`Token.accessor_hmac` if an audit device is set."""
    return AuditedAuthMethod(method, settings.audit_device) if settings.audit_device else method


def _approle(settings: Settings) -> AuthMethod:
    return AppRole(*_approle_files(settings), mount=settings.auth.mount or APPROLE_MOUNT)


def _wrapped_approle(settings: Settings) -> AuthMethod:
    return WrappedAppRole(
        str(settings.scope), *_approle_files(settings), settings.auth.mount or APPROLE_MOUNT
    )


def _jwt(settings: Settings) -> AuthMethod:
    file = _required(settings.auth.jwt_file, "STRONGROOM_JWT_FILE")
    return JwtFile(file, str(settings.scope), settings.auth.mount or JWT_MOUNT)


def _kubernetes(settings: Settings) -> AuthMethod:
    file = settings.auth.jwt_file or SERVICE_ACCOUNT_TOKEN
    return JwtFile(file, str(settings.scope), settings.auth.mount or KUBERNETES_MOUNT)


def _certificate(settings: Settings) -> AuthMethod:
    if settings.auth.certificate is None:
        raise ConfigurationError(
            "VAULT_CLIENT_CERT is not set, and STRONGROOM_AUTH=cert needs it; set it"
        )
    if not settings.require_address().startswith("https://"):
        raise ConfigurationError(
            "VAULT_ADDR: STRONGROOM_AUTH=cert needs https; write https:// there"
        )
    return Certificate(str(settings.scope), settings.auth.mount or CERT_MOUNT)


def _token(settings: Settings) -> AuthMethod:
    return TokenFile(_required(settings.auth.token_file, "STRONGROOM_TOKEN_FILE"))


def _proxy(settings: Settings) -> AuthMethod:
    # A proxy on another machine is rejected, because every client of it gets the service's token.
    if not server_urls.is_local(settings.require_address()):
        raise ConfigurationError(
            "VAULT_ADDR: STRONGROOM_AUTH=proxy needs an agent on this machine; set its address,"
            " such as http://127.0.0.1:8100"
        )
    return Proxy()


def _required(path: Path | None, variable: str) -> Path:
    if path is None:
        raise ConfigurationError(
            f"{variable} is not set, and the login in STRONGROOM_AUTH needs it; set it to the path "
            "of the file"
        )
    return path


_METHODS: Final[dict[str, Callable[[Settings], AuthMethod]]] = {
    "approle": _approle,
    "approle-wrapped": _wrapped_approle,
    "jwt": _jwt,
    "kubernetes": _kubernetes,
    "cert": _certificate,
    "token": _token,
    "proxy": _proxy,
}


def _approle_files(settings: Settings) -> tuple[Path, Path]:
    """Return the files with the role-id and the secret-id; the error names a missing variable."""
    role_id, secret_id = settings.role_id_file, settings.secret_id_file
    if role_id is not None and secret_id is not None:
        return role_id, secret_id
    missing, other = "STRONGROOM_ROLE_ID_FILE", "STRONGROOM_SECRET_ID_FILE"
    if role_id is not None:
        missing, other = other, missing
    raise ConfigurationError(
        f"{missing} is not set; it and {other} name the files of a credential that strongroom"
        " issue-secret-id writes (for the local deployment: strongroom up, then set -a; ."
        " .strongroom/env/SERVICE.env); or select another login with STRONGROOM_AUTH"
    )
