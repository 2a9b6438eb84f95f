"""Command ``doctor``: the first part of a service's deployment that does not work."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

import typer

from app_integration import names
from app_integration.diagnosis.check import run
from app_integration.diagnosis.command import show
from app_integration.diagnosis.leased_user import NeededUser
from app_integration.diagnosis.service import Needs, checks
from app_integration.errors import ConfigurationError
from app_integration.names import DEFAULT_ROLE, Scope
from app_integration.settings import Settings, from_environment
from console import operate
from console.options import Env, Root, Service
from console.service_urls import find_database_url, find_redis_url
from vault.declare.declaration import Declaration


def doctor(service: Service, env: Env, root: Root = operate.DEFAULT_ROOT) -> None:
    """Find the first part of a service that does not work. Exit code 2 if there is one.

    On the local deployment with the service's credential; elsewhere with that of this shell's
    variables, as an application has them.
    """
    declaration, scope = operate.load_declaration(), Scope(service, names.parse_environment(env))
    declaration.deployment(scope)
    read_settings: Callable[[], Settings] = partial(_read_settings, scope)
    if operate.is_local(scope.environment, root):
        local = operate.local_deployment(root)
        declaration, read_settings = local.declaration, local.service(service).settings
    raise typer.Exit(show(run(checks(read_settings, find_needs(declaration, scope)))))


def _read_settings(scope: Scope) -> Settings:
    """Return the settings of this shell's variables.

    Raises:
        ConfigurationError: If they are not those of *scope*.

    """
    settings = from_environment()
    if settings.scope != scope:
        raise ConfigurationError(
            f"these are the variables of {settings.scope}, not of {scope}; load those of {scope}"
        )
    return settings


def find_needs(declaration: Declaration, scope: Scope) -> Needs:
    """Return what the declaration says that the service needs."""
    service = declaration.service(scope.service)
    database, redis = service.database, service.redis
    return Needs(
        sorted(declaration.secrets(scope)),
        NeededUser(_first_role(database.roles), find_database_url(declaration, scope))
        if database
        else None,
        NeededUser(url=find_redis_url(declaration, scope)) if redis else None,
    )


def _first_role(roles: Collection[str]) -> str | None:
    """Return None for the default role if there is one, otherwise the first role."""
    return None if DEFAULT_ROLE in roles else min(roles, default=None)
