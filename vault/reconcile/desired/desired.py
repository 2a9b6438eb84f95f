"""All resources that one environment's declaration asks for, in order of dependency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from app_integration import names
from app_integration.names import Environment, Scope
from vault.declare import derived, durations
from vault.declare.declaration import Declaration
from vault.declare.schema.adopted import Adopted
from vault.declare.schema.model import (
    EnvironmentDeclaration,
    ServiceDeclaration,
    Tokens,
)
from vault.declare.schema.secret_sources import Derived, Generated, Source
from vault.reconcile.desired import databases, identities, people, static_users
from vault.reconcile.inputs import Inputs
from vault.reconcile.lifetimes import longest_lifetime
from vault.reconcile.planning.dependencies import PRUNABLE
from vault.reconcile.resources import Resource
from vault.reconcile.resources.auth import AppRole
from vault.reconcile.resources.mounts import KvConfig, Mount
from vault.reconcile.resources.ownership import ManagedResource
from vault.reconcile.resources.policies import Policy
from vault.reconcile.resources.secrets import (
    DerivedValue,
    SecretMetadata,
    generated_value,
    provided_value,
)
from vault.reconcile.resources.tokens import TokenRules
from vault.reconcile.resources.transit import TransitKey
from vault.reconcile.resources.write_only import FINGERPRINT_KEY

KEPT_VERSIONS: Final = 10  # versions kept of each secret
STARTER_TOKEN_TTL: Final = durations.MINUTE
JOB_TOKEN_TTL: Final = 15 * durations.MINUTE
PERSON_TOKEN_TTL: Final = durations.HOUR
PERSON_TOKEN_MAX_TTL: Final = 12 * durations.HOUR
#: Jobs that log in by AppRole. Each has the policy with its own name.
JOBS: Final = ("strongroom-plan", "strongroom-apply", "strongroom-rotator", "strongroom-auditor")


def desired_resources(
    declaration: Declaration,
    environment: Environment,
    policies: Mapping[str, str],
    inputs: Inputs,
) -> list[Resource]:
    """Return the resources of *environment*, each after those it depends on.

    Args:
        declaration: The loaded declaration.
        environment: The environment.
        policies: Name of a policy → its HCL text.
        inputs: The operator-provided values and passwords.

    """
    declared = declaration.environment(environment)
    resources: list[Resource] = [*_mounts(declared)]
    resources += [Policy(name, text) for name, text in sorted(policies.items())]
    resources.append(TransitKey(FINGERPRINT_KEY))
    resources += [AppRole(job, (job,), token_ttl=JOB_TOKEN_TTL) for job in JOBS]
    rules = TokenRules(ttl=PERSON_TOKEN_TTL, max_ttl=PERSON_TOKEN_MAX_TTL, default_policy=True)
    resources += identities.auth_methods(declaration, environment, inputs, rules)
    for scope in declaration.scopes(environment):
        service = declaration.service(scope.service)
        if declaration.deployment(scope).login.approle is not None:
            resources += _identities(scope, declared.tokens)
        resources += identities.service_roles(declaration, scope)
        resources += _keys(scope, service)
        resources += databases.resources(declaration, scope, inputs)
        for name, source in _order_by_dependency(declaration.secrets(scope)):
            path = scope.secret(name)
            resources.append(SecretMetadata(path, _metadata(service, scope, source)))
            resources.append(_value_resource(scope, path, source, inputs))
    resources += [*people.guards(declared), *people.userpass_logins(declared, inputs)]
    return [
        ManagedResource(resource, environment) if resource.kind in PRUNABLE else resource
        for resource in _set_mount_limits(resources)
    ]


def _set_mount_limits(resources: list[Resource]) -> list[Resource]:
    """Return *resources*, with each mount's limit raised to the longest TTL declared below it."""
    needed_ttl = {each.name: 0 for each in resources if isinstance(each, Mount)}
    for each in resources:
        mount = PRUNABLE.get(each.kind, "").rpartition("/")[0]
        if mount in needed_ttl:
            needed_ttl[mount] = max(needed_ttl[mount], longest_lifetime(each.desired()))
    return [
        replace(each, max_ttl=needed_ttl[each.name]) if isinstance(each, Mount) else each
        for each in resources
    ]


def _mounts(environment: EnvironmentDeclaration) -> Iterator[Resource]:
    yield Mount("mounts", names.KV_MOUNT, "kv", "secrets of services", version=2)
    yield KvConfig(names.KV_MOUNT, KEPT_VERSIONS)
    yield Mount("mounts", names.TRANSIT_MOUNT, "transit", "encryption keys of services")
    yield Mount("mounts", names.DATABASE_MOUNT, "database", "leased database users")
    yield Mount("auth", names.APPROLE_MOUNT, "approle", "services and jobs")
    yield from people.userpass_mount(environment)


def _identities(scope: Scope, tokens: Tokens) -> Iterator[Resource]:
    """Yield the AppRoles of the service, with periodic tokens, and of the starter of its agent."""
    yield AppRole(
        str(scope), (str(scope),), token_period=tokens.period, secret_id_ttl=tokens.secret_id_ttl
    )
    yield AppRole(scope.starter, (scope.starter,), token_ttl=STARTER_TOKEN_TTL)


def _keys(scope: Scope, service: ServiceDeclaration) -> Iterator[Resource]:
    for key, spec in sorted(service.keys.items()):
        yield TransitKey(scope.key(key), spec.rotate_every or 0)


def _order_by_dependency(secrets: Mapping[str, Source]) -> list[tuple[str, Source]]:
    """Return the secrets with the derived ones last, each after those it is composed of."""
    uses = {name: s.references for name, s in secrets.items() if isinstance(s, Derived)}
    first = [(name, source) for name, source in secrets.items() if name not in uses]
    return first + [(name, secrets[name]) for name in derived.sort_by_dependency(uses)]


def _metadata(service: ServiceDeclaration, scope: Scope, source: Source) -> dict[str, str | None]:
    period = source.rotate_every
    return {
        "owner": service.owner,
        "environment": str(scope.environment),
        "rotate_every": durations.render(period) if period else None,
    }


def _value_resource(scope: Scope, path: str, source: Source, inputs: Inputs) -> Resource:
    if isinstance(source, Generated):
        return generated_value(path, source.length, source.alphabet)
    if isinstance(source, Adopted):
        return static_users.adopted_secret(path, source, inputs)
    if isinstance(source, Derived):
        parts = {name: scope.secret(name) for name in source.references}
        return DerivedValue(path, source.format, parts)
    return provided_value(inputs, path)
