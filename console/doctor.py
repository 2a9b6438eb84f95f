"""Command ``doctor``: the first part of a service's deployment that does not work."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from app_integration import names
from app_integration.diagnosis.check import Broken, Check, run
from app_integration.diagnosis.command import show
from app_integration.diagnosis.leased_user import NeededUser
from app_integration.diagnosis.service import Needs, checks
from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.names import DEFAULT_ROLE, Scope
from app_integration.settings import Settings, from_environment
from console import operate
from console.operator_session import open_job_session
from console.options import Env, Root, Service
from vault.bootstrap.break_glass import find_lack
from vault.declare.application_variables import find_database_url, find_redis_url
from vault.declare.declaration import Declaration
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import AUDITOR_JOB

if TYPE_CHECKING:
    from console.local import LocalDeployment


def doctor(service: Service, env: Env, root: Root = operate.DEFAULT_ROOT) -> None:
    """Find the first part of a service that does not work. Exit code 2 if there is one.

    On the local deployment with the service's credential; elsewhere with that of this shell's
    variables, as an application has them.
    """
    declaration, scope = operate.load_declaration(), Scope(service, names.parse_environment(env))
    declaration.deployment(scope)
    if operate.is_local(scope.environment, root):
        local = operate.local_deployment(root)
        read_settings, needs = local.service(service).settings, find_needs(local.declaration, scope)
        raise typer.Exit(show(run(with_agent(checks(read_settings, needs), local, service))))
    read_settings = partial(_read_settings, declaration, scope)
    code = show(run(checks(read_settings, find_needs(declaration, scope))))
    _show_lack(declaration.environment(scope.environment), root)
    raise typer.Exit(code)


def _show_lack(declared: EnvironmentDeclaration, root: Path) -> None:
    """Print that there is no way to a new root token, if this shell's credential can tell."""
    if declared.aws is not None:
        return
    env = declared.environment
    with suppress(StrongroomError), open_job_session(env, root, AUDITOR_JOB) as session:
        if lack := find_lack(session, declared):
            typer.echo(f"warning: {lack}", err=True)


def with_agent(
    found: Iterator[tuple[str, Check]], local: LocalDeployment, service: str
) -> Iterator[tuple[str, Check]]:
    """Yield the checks *found*, and before that of the config file one of its agent.

    Args:
        found: Checks of a service of the local deployment.
        local: The local deployment.
        service: The service.

    """
    for name, check in found:
        if name == "config":
            yield "agent", partial(_check_agent, local, service)
        yield name, check


def _check_agent(local: LocalDeployment, service: str) -> str:
    """Check that the supervisor of the agents runs, and the agent of *service*."""
    from vault.runtime.processes.agent import AGENT  # noqa: PLC0415 (only for the local deployment)

    if not any(part.name == AGENT and part.running for part in local.status()):
        raise Broken("it does not run, so no change of a secret is delivered", "strongroom up")
    agent = local.service(service).agent
    if agent is not None and (problem := agent.read_config_state().problem):
        raise Broken(
            f"it does not run, so no change of a secret is delivered: {problem}",
            "correct what the reason names; the agent starts again within a minute, and its log is "
            f"{local.layout.logs / 'agent.log'}",
        )
    return "runs"


def _read_settings(declaration: Declaration, scope: Scope) -> Settings:
    """Return the settings of this shell's variables, with the declared addresses by default.

    Raises:
        ConfigurationError: If they are not those of *scope*.

    """
    settings = from_environment()
    if settings.scope != scope:
        raise ConfigurationError(
            f"these are the variables of {settings.scope}, not of {scope}; load those of {scope}"
        )
    return replace(
        settings,
        database_url=settings.database_url or find_database_url(declaration, scope) or "",
        redis_url=settings.redis_url or find_redis_url(declaration, scope) or "",
    )


def find_needs(declaration: Declaration, scope: Scope) -> Needs:
    """Return what the declaration says that the service needs."""
    service = declaration.service(scope.service)
    database, redis = service.database, service.redis
    return Needs(
        sorted(declaration.secrets(scope)),
        NeededUser(_first_role(database.roles)) if database else None,
        NeededUser() if redis else None,
    )


def _first_role(roles: Collection[str]) -> str | None:
    """Return None for the default role if there is one, otherwise the first role."""
    return None if DEFAULT_ROLE in roles else min(roles, default=None)
