"""Who a process is to the server: settings become one way to log in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from app_integration._internal import server_urls
from app_integration.delegated import Proxy, TokenFile
from app_integration.errors import ConfigurationError
from app_integration.login import AppRole, Certificate, JwtFile, Login, ShownInAudit
from app_integration.names import APPROLE_MOUNT, CERT_MOUNT, JWT_MOUNT, KUBERNETES_MOUNT
from app_integration.settings import Settings
from app_integration.wrapped import WrappedAppRole

#: Where Kubernetes mounts a pod's token.
SERVICE_ACCOUNT_TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def login_of(settings: Settings) -> Login:
    """The way to log in that *settings* describe. Nothing is read or sent.

    Raises:
        ConfigurationError: what the method needs isn't set; the message names the variable.
    """
    login = _METHODS[settings.auth.method](settings)
    return ShownInAudit(login, settings.audit_device) if settings.audit_device else login


def _approle(settings: Settings) -> Login:
    return AppRole(*settings.approle_files(), mount=settings.auth.mount or APPROLE_MOUNT)


def _wrapped(settings: Settings) -> Login:
    return WrappedAppRole(
        str(settings.scope), *settings.approle_files(), settings.auth.mount or APPROLE_MOUNT
    )


def _jwt(settings: Settings) -> Login:
    file = _required(settings.auth.jwt_file, "STRONGROOM_JWT_FILE")
    return JwtFile(file, str(settings.scope), settings.auth.mount or JWT_MOUNT)


def _kubernetes(settings: Settings) -> Login:
    file = settings.auth.jwt_file or SERVICE_ACCOUNT_TOKEN
    return JwtFile(file, str(settings.scope), settings.auth.mount or KUBERNETES_MOUNT)


def _certificate(settings: Settings) -> Login:
    if settings.auth.certificate is None:
        raise ConfigurationError("VAULT_CLIENT_CERT is not set; STRONGROOM_AUTH=cert needs it")
    if not settings.required_address().startswith("https://"):
        raise ConfigurationError("VAULT_ADDR: STRONGROOM_AUTH=cert needs https")
    return Certificate(str(settings.scope), settings.auth.mount or CERT_MOUNT)


def _token(settings: Settings) -> Login:
    return TokenFile(_required(settings.auth.token_file, "STRONGROOM_TOKEN_FILE"))


def _proxy(settings: Settings) -> Login:
    # Elsewhere than on this machine, whoever reaches the proxy is the service.
    if not server_urls.is_local(settings.required_address()):
        raise ConfigurationError(
            "VAULT_ADDR: STRONGROOM_AUTH=proxy needs an agent on this machine, such as"
            " http://127.0.0.1:8100"
        )
    return Proxy()


def _required(path: Path | None, variable: str) -> Path:
    if path is None:
        raise ConfigurationError(f"{variable} is not set; docs/Env.md says what logs in with what")
    return path


_METHODS: Final[dict[str, Callable[[Settings], Login]]] = {
    "approle": _approle,
    "approle-wrapped": _wrapped,
    "jwt": _jwt,
    "kubernetes": _kubernetes,
    "cert": _certificate,
    "token": _token,
    "proxy": _proxy,
}
