"""Rendering of an environment's policies from their templates and the declaration."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from app_integration.errors import ConfigurationError
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Environment, Scope
from policies.coverage import find_reaching
from policies.parameters import exact
from policies.templates import find_line, render
from vault.declare.declaration import Declaration
from vault.declare.policy_template import PolicyTemplate
from vault.declare.schema.database import Database
from vault.declare.schema.secret_sources import Derived
from vault.declare.server_names import APPLY_JOB, DEVELOPER, FINGERPRINT_KEY, JOBS
from vault.reconcile.desired import databases, people, redis_users
from vault.reconcile.desired.leased_roles import leased_roles
from vault.reconcile.desired.static_users import pair_role_names, static_role_names
from vault.reconcile.hcl.policy_parts import LARGEST, part_names, split_policy, stored_size
from vault.reconcile.hcl.policy_rules import parse_rules
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources.auth import AppRole
from vault.reconcile.resources.database import DatabaseConnection
from vault.reconcile.resources.guards import PasswordPolicy
from vault.reconcile.resources.ownership import Owner, ownership_path, rotation_kind
from vault.reconcile.resources.policies import Policy
from vault.reconcile.resources.redis import RedisConnection
from vault.rotation.inventory import declared_items


def render_policies(declaration: Declaration, environment: Environment) -> dict[str, str]:
    """Return all policies of *environment*: the name of each → its HCL text.

    The policy of a job for very many services is in parts. A scoped apply role may not write its
    own policy, so that this is not one of them. See :func:`scoped_apply_policy`.
    """
    declared = declaration.environment(environment)
    policies: dict[str, str] = {}
    for scope in declaration.scopes(environment):
        policies |= dict.fromkeys(declaration.roles(scope), service_policy(declaration, scope))
        if declaration.deployment(scope).login.approle is not None:
            wrap_ttl = declared.tokens.wrap_ttl
            policies[scope.starter] = starter_policy(
                scope, wrap_ttl, declared.mounts, declaration.policy_templates
            )
    shared = _shared_variables(declaration, environment)
    developer = declared.server_name(DEVELOPER)
    is_in_group = any(developer in group.policies for group in declared.groups.values())
    jobs = [job for job in JOBS if job != APPLY_JOB or not declared.is_scoped]
    for job in jobs:
        text = render(job, declaration.policy_templates, shared)
        policies |= split_policy(declared.server_name(job), text)
    if declared.people or is_in_group:
        policies[developer] = render(DEVELOPER, declaration.policy_templates, shared)
    return policies


def scoped_apply_policy(declaration: Declaration, environment: Environment) -> str:
    """Return the HCL policy of a scoped apply role, for the platform team to review and write."""
    declared = declaration.environment(environment)
    if not declared.is_scoped:
        raise ConfigurationError(
            f"{environment} does not declare 'apply_role: scoped' under 'vault'; declare it first"
        )
    variables = _scoped_variables(declaration, environment)
    text = render("apply-scoped", declaration.policy_templates, variables)
    if stored_size(text) > LARGEST:
        raise ConfigurationError(
            f"{environment}: the policy of the scoped apply role contains those of "
            f"{len(declaration.scopes(environment))} services, and has {stored_size(text) // 1000} "
            f"kB of at most {LARGEST // 1000} that a server stores; declare fewer services in an "
            "environment, or 'apply_role: root'"
        )
    return text


def _scoped_variables(declaration: Declaration, environment: Environment) -> dict[str, Any]:
    """Return the variables of the template for a scoped apply role."""
    declared = declaration.environment(environment)
    policies = render_policies(declaration, environment)
    scopes = [str(scope) for scope in declaration.scopes(environment)]
    own = [declared.server_name(name) for name in (*JOBS, FINGERPRINT_KEY)]
    passwords = {
        each.name: each.body()
        for each in people.guards(declared)
        if isinstance(each, PasswordPolicy)
    }
    texts = {
        name: exact(Policy(name, text, declared.deployment).body())
        for name, text in sorted(policies.items())
    }
    return {
        "deployment": declared.deployment,
        "environment": environment,
        "mounts": declared.mounts,
        "policies": texts,
        "roles": _exact_policies(declaration, environment, policies),
        "role_fields": sorted(AppRole("", ()).desired()),
        "services": sorted(scope.service for scope in declaration.scopes(environment)),
        "scopes": scopes,
        "connections": _connections(declaration, environment),
        # No longer in the tool's template, but in those that a repository made of an earlier one.
        "redis_connections": [
            scope.redis_role()
            for scope in declaration.scopes(environment)
            if declaration.service(scope.service).redis is not None
        ],
        "owned": [*scopes, *(f"{scope}-*" for scope in scopes), *own, *passwords],
        "keys": [*(f"{scope}-*" for scope in scopes), declared.server_name(FINGERPRINT_KEY)],
        "fingerprint_key": declared.server_name(FINGERPRINT_KEY),
        "password_policies": passwords,
    }


def _connections(declaration: Declaration, environment: Environment) -> dict[str, dict[str, Any]]:
    """Return each connection of the database engine with the fields that are written."""
    owner, inputs = Owner.of(declaration.environment(environment)), Inputs()
    return {
        each.name: each.body()
        for scope in declaration.scopes(environment)
        for part in (databases, redis_users)
        for each in part.resources(declaration, scope, inputs, owner)
        if isinstance(each, DatabaseConnection | RedisConnection)
    }


def _exact_policies(
    declaration: Declaration, environment: Environment, policies: Collection[str]
) -> dict[str, str]:
    """Return each role and the only policies that it may have, as HCL."""
    jobs = map(declaration.environment(environment).server_name, JOBS)
    of_jobs = {job: part_names(job, policies) for job in jobs}
    further = {part for parts in of_jobs.values() for part in parts[1:]}
    return {
        role: exact(sorted(of_jobs.get(role, (role,)))) for role in sorted({*policies} - further)
    }


def starter_policy(
    scope: Scope,
    wrap_ttl: int,
    mounts: Mounts = DEFAULT_MOUNTS,
    templates: Mapping[str, PolicyTemplate] | None = None,
) -> str:
    """Return the HCL policy of the starter of *scope*'s agent.

    The starter may issue secret-ids for *scope*, each for one login within *wrap_ttl* seconds.
    """
    variables = {
        "service": scope.service,
        "environment": scope.environment,
        "wrap_ttl": wrap_ttl,
        "mounts": mounts,
    }
    return render("starter", templates or {}, variables)


def service_policy(declaration: Declaration, scope: Scope) -> str:
    """Return the HCL policy of *scope*."""
    keys = declaration.service(scope.service).keys
    declared = declaration.environment(scope.environment)
    variables = {
        "service": scope.service,
        "environment": scope.environment,
        "secrets": sorted(declaration.secrets(scope)),
        "keys": {key: sorted(spec.allow) for key, spec in sorted(keys.items())},
        "database_roles": sorted(leased_roles(declaration, scope)),
        "audit_device": declared.vault.audit_device,
        "mounts": declared.mounts,
        "static_roles": sorted(static_role_names(declaration, scope).values()),
    }
    return render("service", declaration.policy_templates, variables)


def find_wide_rules(declaration: Declaration) -> Iterator[str]:
    """Yield a warning for each rule of a repository's own template that covers other services."""
    own = declaration.policy_templates.get("service")
    if own is None:
        return
    plain = replace(declaration, policy_templates={})
    for environment in declaration.environments:
        mounts = declaration.environment(environment).mounts
        for scope in declaration.scopes(environment):
            text = service_policy(declaration, scope)
            needed = parse_rules(service_policy(plain, scope))
            for path in find_reaching(parse_rules(text), needed, scope, mounts):
                line = next((line for line in text.splitlines() if f'"{path}"' in line), "")
                yield (
                    f"{own.file}:{find_line(own, line) or 1}: the policy of {scope} grants {path}, "
                    "which covers other services, too; write the service's own paths"
                )


def _service_approles(declaration: Declaration, environment: Environment) -> list[str]:
    """Return the AppRoles of the services that log in by AppRole, and of their starters."""
    return sorted(
        role for scope in declaration.scopes(environment) for role in declaration.approles(scope)
    )


def _shared_variables(declaration: Declaration, environment: Environment) -> dict[str, Any]:
    """Return the variables of the templates for people and jobs."""
    scopes = declaration.scopes(environment)
    declared = declaration.environment(environment)
    return {
        "mounts": declared.mounts,
        "fingerprint_key": declared.server_name(FINGERPRINT_KEY),
        "audit_trace_ids": declared.vault.audit_trace_ids,
        "environment": environment,
        "services": sorted(scope.service for scope in scopes),
        "apply_role": declared.server_name(APPLY_JOB),
        "approles": [
            *_service_approles(declaration, environment),
            *map(declared.server_name, JOBS),
        ],
        "rotation_entries": [
            ownership_path(environment, rotation_kind(item.kind), item.server_name)
            for item in declared_items(declaration, environment)
        ],
        **_secret_variables(declaration, scopes),
        **_database_variables(declaration, scopes),
    }


def _secret_variables(declaration: Declaration, scopes: Collection[Scope]) -> dict[str, list[str]]:
    """Return the names of keys and secrets."""
    return {
        "transit_keys": sorted(
            scope.key(key) for scope in scopes for key in declaration.service(scope.service).keys
        ),
        "audit_keys": sorted(
            scope.key(key) for scope in scopes if (key := declaration.audit_key(scope.service))
        ),
        "derived_secrets": sorted(
            scope.secret(name)
            for scope in scopes
            for name, source in declaration.secrets(scope).items()
            if isinstance(source, Derived)
        ),
    }


def _database_variables(
    declaration: Declaration, scopes: Collection[Scope]
) -> dict[str, list[str]]:
    """Return the names of connections, and of roles that lease or have database users."""
    return {
        "connections": sorted(
            str(scope)
            for scope in scopes
            if isinstance(declaration.service(scope.service).database, Database)
        ),
        "database_roles": sorted(
            role for scope in scopes for role in leased_roles(declaration, scope)
        ),
        "static_roles": sorted(
            role for scope in scopes for role in static_role_names(declaration, scope).values()
        ),
        "pair_roles": sorted(
            role
            for scope in scopes
            for pair in pair_role_names(declaration, scope).values()
            for role in pair.values()
        ),
    }
