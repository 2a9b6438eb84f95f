"""All resources that one environment's declaration asks for, in order of dependency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from app_integration.mounts import Mounts
from app_integration.names import Environment, Scope
from vault.declare import derived_secret, durations
from vault.declare.declaration import Declaration
from vault.declare.schema.adopted_secret import Adopted
from vault.declare.schema.model import (
    EnvironmentDeclaration,
    ServiceDeclaration,
    Tokens,
)
from vault.declare.schema.secret_sources import Derived, Generated, Source
from vault.declare.server_names import APPLY_JOB, FINGERPRINT_KEY, JOBS
from vault.reconcile.desired import databases, identities, people, redis_users, static_users
from vault.reconcile.hcl.policy_parts import part_names
from vault.reconcile.inputs import Inputs
from vault.reconcile.lifetimes import longest_lifetime
from vault.reconcile.planning.dependencies import PRUNABLE, list_path
from vault.reconcile.resources import Resource
from vault.reconcile.resources.auth import AppRole
from vault.reconcile.resources.mounts import KvConfig, Mount
from vault.reconcile.resources.ownership import DEPLOYMENT, ManagedResource, Owner
from vault.reconcile.resources.policies import Policy
from vault.reconcile.resources.secrets import (
    DerivedValue,
    SecretMetadata,
    generated_value,
    provided_value,
)
from vault.reconcile.resources.tokens import TokenRules
from vault.reconcile.resources.transit import TransitKey

KEPT_VERSIONS: Final = 10  # versions kept of each secret
STARTER_TOKEN_TTL: Final = durations.MINUTE
JOB_TOKEN_TTL: Final = 15 * durations.MINUTE
PERSON_TOKEN_TTL: Final = durations.HOUR
PERSON_TOKEN_MAX_TTL: Final = 12 * durations.HOUR


def desired_resources(
    declaration: Declaration,
    environment: Environment,
    policies: Mapping[str, str],
    inputs: Inputs,
) -> list[Resource]:
    """Return the resources of *environment*, each after those it depends on."""
    declared = declaration.environment(environment)
    resources: list[Resource] = [*_mounts(declared)]
    resources += [
        Policy(name, text, declared.deployment, declared.is_scoped)
        for name, text in sorted(policies.items())
    ]
    owner, mounts = Owner.of(declared), declared.mounts
    fingerprint_key = declared.server_name(FINGERPRINT_KEY)
    resources.append(TransitKey(fingerprint_key, mount=mounts.transit))
    resources += [
        AppRole(job, part_names(job, policies), token_ttl=JOB_TOKEN_TTL, mount=mounts.approle)
        for job in map(declared.server_name, JOBS)
        if job in policies  # without the apply role, if the platform team makes it
    ]
    rules = TokenRules(ttl=PERSON_TOKEN_TTL, max_ttl=PERSON_TOKEN_MAX_TTL, default_policy=True)
    resources += identities.auth_methods(declaration, environment, inputs, rules)
    resources += identities.job_roles(declared, policies, JOB_TOKEN_TTL)
    for scope in declaration.scopes(environment):
        service = declaration.service(scope.service)
        if approles := declaration.approles(scope):
            resources += _identities(approles, declared.tokens, mounts)
        resources += identities.service_roles(declaration, scope)
        resources += _keys(scope, service, mounts)
        resources += databases.resources(declaration, scope, inputs, owner)
        resources += redis_users.resources(declaration, scope, inputs, owner)
        resources += secret_resources(declaration, scope, inputs, owner)
    resources += [*people.guards(declared), *people.userpass_logins(declared, inputs)]
    return [
        ManagedResource(resource, owner) if resource.kind in PRUNABLE else resource
        for resource in _set_mount_limits(resources, mounts)
    ]


def apply_role_resources(
    declared: EnvironmentDeclaration, resources: list[Resource], policy: str | None
) -> list[Resource]:
    """Return the resources that the apply role needs, for an administrator to write.

    *policy* is that of a scoped role, which needs the mounts, too; None for another role.
    """
    role, mounts = declared.server_name(APPLY_JOB), declared.mounts
    if policy is None:
        names = {f"mount {mounts.auth}", f"policy {role}", f"approle {role}"}
        return [each for each in resources if f"{each.kind} {each.name}" in names]
    return [
        *(replace(each, is_given=False) for each in resources if isinstance(each, Mount)),
        Policy(role, policy, declared.deployment),
        AppRole(role, (role,), token_ttl=JOB_TOKEN_TTL, mount=mounts.approle),
    ]


def _set_mount_limits(resources: list[Resource], mounts: Mounts) -> list[Resource]:
    """Return *resources*, with each mount's limit raised to the longest TTL declared below it."""
    needed_ttl = {each.name: 0 for each in resources if isinstance(each, Mount)}
    for each in resources:
        mount = list_path(each.kind, mounts).rpartition("/")[0] if each.kind in PRUNABLE else ""
        if mount in needed_ttl:
            needed_ttl[mount] = max(needed_ttl[mount], longest_lifetime(each.desired()))
    return [
        replace(each, max_ttl=needed_ttl[each.name]) if isinstance(each, Mount) else each
        for each in resources
    ]


def _mounts(environment: EnvironmentDeclaration) -> Iterator[Resource]:
    mounts = environment.mounts
    mount = partial(Mount, deployment=environment.deployment, is_given=environment.is_scoped)
    yield mount("mounts", mounts.kv, "kv", "secrets of services", version=2)
    yield KvConfig(mounts.kv, KEPT_VERSIONS, is_given=environment.is_scoped)
    yield mount("mounts", mounts.transit, "transit", "encryption keys of services")
    # So that the audit log says which database user a request got, and no password.
    plain = ("username",)
    yield mount("mounts", mounts.database, "database", "leased database users", plain_keys=plain)
    # So that no wrong or expired secret-id locks out the right one. Nobody guesses 122 random bits.
    yield mount("auth", mounts.approle, "approle", "services and jobs", has_lockout=False)
    yield from people.userpass_mount(environment)


def _identities(roles: Sequence[str], tokens: Tokens, mounts: Mounts) -> Iterator[Resource]:
    """Yield the AppRoles of a service, with periodic tokens, and of the starter of its agent."""
    *own, starter = roles
    for role in own:
        yield AppRole(
            role,
            (role,),
            token_period=tokens.period,
            secret_id_ttl=tokens.secret_id_ttl,
            mount=mounts.approle,
        )
    yield AppRole(starter, (starter,), token_ttl=STARTER_TOKEN_TTL, mount=mounts.approle)


def _keys(scope: Scope, service: ServiceDeclaration, mounts: Mounts) -> Iterator[Resource]:
    for key, spec in sorted(service.keys.items()):
        yield TransitKey(scope.key(key), spec.rotate_every or 0, mounts.transit)


def secret_resources(
    declaration: Declaration, scope: Scope, inputs: Inputs, owner: Owner
) -> Iterator[Resource]:
    """Return the secrets of one service and their values, in order of dependency."""
    service, mount = declaration.service(scope.service), owner.mounts.kv
    for name, source in order_by_dependency(declaration.secrets(scope)):
        path = scope.secret(name)
        tags = {DEPLOYMENT: owner.deployment, **_metadata(service, scope, source)}
        yield SecretMetadata(path, tags, mount)
        yield _value_resource(scope, path, source, inputs, mount)


def order_by_dependency(secrets: Mapping[str, Source]) -> list[tuple[str, Source]]:
    """Return the secrets with the derived ones last, each after those it is composed of."""
    uses = {name: s.references for name, s in secrets.items() if isinstance(s, Derived)}
    first = [(name, source) for name, source in secrets.items() if name not in uses]
    return first + [(name, secrets[name]) for name in derived_secret.sort_by_dependency(uses)]


def _metadata(service: ServiceDeclaration, scope: Scope, source: Source) -> dict[str, str | None]:
    period = source.rotate_every
    return {
        "owner": service.owner,
        "environment": str(scope.environment),
        "rotate_every": durations.render(period) if period else None,
    }


def _value_resource(
    scope: Scope, path: str, source: Source, inputs: Inputs, mount: str
) -> Resource:
    if isinstance(source, Generated):
        return generated_value(path, source.length, source.alphabet, mount)
    if isinstance(source, Adopted):
        return static_users.adopted_secret(path, source, inputs, mount)
    if isinstance(source, Derived):
        parts = {name: scope.secret(name) for name in source.references}
        return DerivedValue(path, source.format, parts, mount)
    return provided_value(inputs, path, mount)
