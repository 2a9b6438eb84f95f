"""Login of an agent with the token of its pod's service account."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.auto_auth import JwtAutoAuth, KubernetesAutoAuth
from agent.targets.settings import ServiceSettings
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from vault.declare.schema.logins import JwtLogin

#: Folder of the token's folder. It is empty in images, so that nothing is hidden by the mount.
_TOKENS: Final = Path("/var/run/secrets")
_TOKEN_FILE: Final = _TOKENS / "strongroom" / "token"
_SUBJECT: Final = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")


@dataclass(frozen=True, slots=True)
class PodLogin:
    """Service accounts whose tokens agents show.

    A pod runs as the first of *accounts*, unless the team renames that. *audience* is None for the
    cluster's own.
    """

    accounts: tuple[str, ...]
    namespaces: tuple[str, ...]
    audience: str | None
    token_file: Path

    @property
    def account(self) -> str:
        """Return the name of the pod's service account."""
        return self.accounts[0]


def pod_login(settings: ServiceSettings) -> PodLogin:
    """Return the login that the environment's file declares."""
    where, method = f"environments/{settings.scope.environment}.yaml", settings.agent.login
    here = f"{where}: services.{settings.scope.service}.login"
    login = settings.deployment.login
    if method == KubernetesAutoAuth.method and login.kubernetes is not None:
        pod = login.kubernetes
        token = _token_file(settings, where)
        return PodLogin(pod.service_accounts, pod.namespaces, pod.audience, token)
    if method == JwtAutoAuth.method and login.jwt is not None:
        return _jwt_login(login.jwt, here, _token_file(settings, where))
    raise ConfigurationError(
        f"{where}: agent.login is {method}, which needs a stored credential; a pod has a token of "
        f"its service account: declare 'login: kubernetes' and 'token_file: {_TOKEN_FILE}' under "
        f"agent, auth.kubernetes, and login.kubernetes of {settings.scope.service}"
    )


def job_login(role: str, login: JwtLogin | None, environment: Environment) -> PodLogin:
    """Return the login of a pod that runs a job of the deployment."""
    here = f"environments/{environment}.yaml: jobs.{role}"
    if login is None:
        raise ConfigurationError(
            f"{here} is not declared, and its AppRole needs a stored credential; declare jwt there "
            "with the audience and subject of a service account"
        )
    return _jwt_login(login, here, _TOKEN_FILE)


def _jwt_login(login: JwtLogin, here: str, token_file: Path) -> PodLogin:
    found = _SUBJECT.fullmatch(login.subject or "")
    if found is None:
        raise ConfigurationError(
            f"{here}.jwt.subject is no service account's; "
            "declare system:serviceaccount:<namespace>:<name>"
        )
    namespace, account = found.groups()
    return PodLogin((account,), (namespace,), login.audience, token_file)


def _token_file(settings: ServiceSettings, where: str) -> Path:
    """Return the declared path. Its folder is a mount, which hides what the image has there."""
    path = Path(settings.agent.token_file or "/")
    if ".." in path.parts or _TOKENS not in path.parent.parents:
        raise ConfigurationError(
            f"{where}: agent.token_file is {path}; a pod's token is mounted in a folder of "
            f"{_TOKENS}: declare {_TOKEN_FILE}"
        )
    return path
