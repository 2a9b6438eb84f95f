"""Rendering of an environment's policies from their templates and the declaration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment as Jinja
from jinja2 import FileSystemLoader, StrictUndefined

from app_integration.names import Environment, Scope
from vault.declare.declaration import Declaration
from vault.declare.schema.database import Database
from vault.reconcile.desired.databases import database_roles
from vault.reconcile.desired.desired import JOBS
from vault.reconcile.desired.static_users import static_role_names

#: The policy of people, in dev only.
DEVELOPER: Final = "developer"

_templates = Jinja(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 (HCL is not HTML, and names are validated)
)


def render_policies(declaration: Declaration, environment: Environment) -> dict[str, str]:
    """Return all policies of *environment*: the name of each → its HCL text."""
    declared = declaration.environment(environment)
    policies: dict[str, str] = {}
    for scope in declaration.scopes(environment):
        policies[str(scope)] = _service_policy(declaration, scope)
        if declaration.deployment(scope).login.approle is not None:
            policies[scope.starter] = starter_policy(scope, declared.tokens.wrap_ttl)
    shared = _shared_variables(declaration, environment)
    is_in_group = any(DEVELOPER in group.policies for group in declared.groups.values())
    for name in (*JOBS, *([DEVELOPER] if declared.people or is_in_group else [])):
        policies[name] = _render(name, **shared)
    return policies


def starter_policy(scope: Scope, wrap_ttl: int) -> str:
    """Return the HCL policy of the starter of *scope*'s agent.

    The starter may issue secret-ids for *scope*, each for one login.

    Args:
        scope: The service and environment.
        wrap_ttl: Seconds within which the secret-id must be unwrapped and used.

    """
    return _render(
        "starter", service=scope.service, environment=scope.environment, wrap_ttl=wrap_ttl
    )


def _service_policy(declaration: Declaration, scope: Scope) -> str:
    keys = declaration.service(scope.service).keys
    return _render(
        "service",
        service=scope.service,
        environment=scope.environment,
        secrets=sorted(declaration.secrets(scope)),
        keys={key: sorted(spec.allow) for key, spec in sorted(keys.items())},
        database_roles=sorted(database_roles(declaration, scope)),
        audit_device=declaration.environment(scope.environment).vault.audit_device,
        static_roles=sorted(static_role_names(declaration, scope).values()),
    )


def _shared_variables(declaration: Declaration, environment: Environment) -> dict[str, Any]:
    """Return the variables of the templates for people and jobs."""
    scopes = declaration.scopes(environment)
    services = {scope: declaration.service(scope.service) for scope in scopes}
    return {
        "environment": environment,
        "services": sorted(scope.service for scope in scopes),
        "transit_keys": sorted(scope.key(key) for scope in scopes for key in services[scope].keys),
        "connections": sorted(
            str(scope) for scope in scopes if isinstance(services[scope].database, Database)
        ),
        "database_roles": sorted(
            role for scope in scopes for role in database_roles(declaration, scope)
        ),
        "static_roles": sorted(
            role for scope in scopes for role in static_role_names(declaration, scope).values()
        ),
    }


def _render(template: str, **variables: Any) -> str:
    return _templates.get_template(f"{template}.hcl.j2").render(variables)
