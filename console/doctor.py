"""Command ``doctor``: the first part of a service's deployment that does not work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import typer

from app_integration import names
from app_integration.diagnosis.check import run
from app_integration.diagnosis.command import show
from app_integration.diagnosis.service import Needs, checks
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.settings import Settings, from_environment
from console import operate
from console.options import Env, Root, Service
from vault.declare.declaration import Declaration
from vault.declare.schema.model import DEFAULT_ROLE


def doctor(service: Service, env: Env, root: Root = operate.DEFAULT_ROOT) -> None:
    """Find the first part of a service that does not work. Exit code 2 if there is one.

    On the local deployment with the service's credential; elsewhere with that of this shell's
    variables, as an application has them.
    """
    declaration, scope = operate.load_declaration(), Scope(service, names.parse_environment(env))
    declaration.deployment(scope)
    read_settings: Callable[[], Settings] = partial(_read_settings, scope)
    if operate.is_local(scope.environment, root):
        read_settings = operate.local_deployment(root).service(service).settings
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
    database = declaration.service(scope.service).database
    roles = sorted(database.roles) if database else []
    role = None if DEFAULT_ROLE in roles else next(iter(roles), None)
    return Needs(sorted(declaration.secrets(scope)), database is not None, role)
