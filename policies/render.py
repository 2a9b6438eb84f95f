"""The policies of an environment, as HCL text, from their templates and the declaration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment as Jinja
from jinja2 import FileSystemLoader, StrictUndefined

from app_integration.names import Environment, Scope
from vault.declare.declaration import Declaration
from vault.reconcile.desired.desired import JOBS, database_roles
from vault.reconcile.desired.static_users import static_role_names

#: People's policy, in dev only.
DEVELOPER: Final = "developer"

_templates = Jinja(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 (HCL is no HTML; names are held to their grammar)
)


def render_policies(declaration: Declaration, environment: Environment) -> dict[str, str]:
    """Policy name → HCL text, for everything that *environment* needs."""
    declared = declaration.environment(environment)
    policies: dict[str, str] = {}
    for scope in declaration.scopes(environment):
        policies[str(scope)] = _service(declaration, scope)
        if declaration.deployment(scope).login.approle is not None:
            policies[scope.starter] = starter_policy(scope, declared.tokens.wrap_ttl)
    shared = _shared(declaration, environment)
    in_groups = any(DEVELOPER in group.policies for group in declared.groups.values())
    for name in (*JOBS, *([DEVELOPER] if declared.people or in_groups else [])):
        policies[name] = _render(name, **shared)
    return policies


def starter_policy(scope: Scope, wrap_ttl: int) -> str:
    """HCL text: what issues secret-ids of *scope*, each for one login within *wrap_ttl* seconds."""
    return _render(
        "starter", service=scope.service, environment=scope.environment, wrap_ttl=wrap_ttl
    )


def _service(declaration: Declaration, scope: Scope) -> str:
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


def _shared(declaration: Declaration, environment: Environment) -> dict[str, Any]:
    """What the templates of people and jobs are told."""
    scopes = declaration.scopes(environment)
    services = {scope: declaration.service(scope.service) for scope in scopes}
    return {
        "environment": environment,
        "services": sorted(scope.service for scope in scopes),
        "transit_keys": sorted(scope.key(key) for scope in scopes for key in services[scope].keys),
        "connections": sorted(str(scope) for scope in scopes if services[scope].database),
        "database_roles": sorted(
            role for scope in scopes for role in database_roles(declaration, scope)
        ),
        "static_roles": sorted(
            role for scope in scopes for role in static_role_names(declaration, scope).values()
        ),
    }


def _render(template: str, **variables: Any) -> str:
    return _templates.get_template(f"{template}.hcl.j2").render(variables)
