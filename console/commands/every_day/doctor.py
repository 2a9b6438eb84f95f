"""Command ``doctor``: the first part of a service's deployment that does not work."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import typer

from app_integration.diagnosis.check import Broken, Check, run
from app_integration.diagnosis.command import show
from app_integration.diagnosis.leased_user import NeededUser
from app_integration.diagnosis.service import Needs, checks
from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.names import DEFAULT_ROLE, Environment, Scope
from app_integration.settings import Settings, from_environment
from console.options import Env, OnlyService, Root
from console.target.local_folder import DEFAULT_ROOT
from console.target.sessions import open_job_session
from console.target.target import Target, open_target
from vault.bootstrap.break_glass import find_lack
from vault.declare.application_variables import find_database_url, find_redis_url
from vault.declare.declaration import Declaration
from vault.declare.server_names import AUDITOR_JOB

if TYPE_CHECKING:
    from local.deployment import LocalDeployment


def doctor(
    service: OnlyService = None, env: Env = Environment.DEV, root: Root = DEFAULT_ROOT
) -> None:
    """Find the first part of a service that does not work. Exit code 2 if there is one.

    On the local deployment with the service's credential; elsewhere with that of this shell's
    variables, as an application has them.
    """
    target = open_target(env, root)
    declaration, scope = target.declaration, target.find_scope(service)
    if target.is_local:
        local, name = target.local_deployment(), scope.service
        read_settings, needs = local.service(name).settings, find_needs(local.declaration, scope)
        raise typer.Exit(show(run(with_agent(checks(read_settings, needs), local, name))))
    read_settings = partial(_read_settings, declaration, scope)
    code = show(run(checks(read_settings, find_needs(declaration, scope))))
    _show_lack(target)
    raise typer.Exit(code)


def _show_lack(target: Target) -> None:
    """Print that there is no way to a new root token, if this shell's credential can tell."""
    if target.is_on_aws:
        return
    with suppress(StrongroomError), open_job_session(target, AUDITOR_JOB) as session:
        if lack := find_lack(session, target.declared):
            typer.echo(f"warning: {lack}", err=True)


def with_agent(
    found: Iterator[tuple[str, Check]], local: LocalDeployment, service: str
) -> Iterator[tuple[str, Check]]:
    """Yield the checks *found*, and before that of the config file one of its agent."""
    for name, check in found:
        if name == "config":
            yield "agent", partial(_check_agent, local, service)
        yield name, check


def _check_agent(local: LocalDeployment, service: str) -> str:
    """Check that the supervisor of the agents runs, and the agent of *service*."""
    from local.processes.agent_supervisor import AGENT  # noqa: PLC0415 (only for the local deployment)

    if not any(part.name == AGENT and part.running for part in local.started.status()):
        raise Broken("it does not run, so no change of a secret is delivered", "strongroom up")
    config = local.started.read_config_states().get(service)
    if config is not None and config.problem is not None:
        raise Broken(
            f"it does not run, so no change of a secret is delivered: {config.problem}",
            "correct what the reason names; the agent starts again within a minute, and its log is "
            f"{local.layout.logs / 'agent.log'}",
        )
    return "runs"


def _read_settings(declaration: Declaration, scope: Scope) -> Settings:
    """Return the settings of this shell's variables, with the declared addresses by default."""
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
