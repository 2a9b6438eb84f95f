"""People who log in with passwords, and what guards the server against asking too often."""

from __future__ import annotations

from collections.abc import Iterator

from app_integration.names import Environment
from vault.declare.declaration import Declaration
from vault.declare.schema.model import EnvironmentDeclaration
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Resource, ownership
from vault.reconcile.resources.auth import UserpassLogin
from vault.reconcile.resources.guards import PasswordPolicy, RateLimit, UserLockout
from vault.reconcile.resources.mounts import Mount


def mount(declared: EnvironmentDeclaration) -> Iterator[Resource]:
    """Where they log in, if there are any."""
    if declared.people:
        yield Mount("auth", "userpass", "userpass", "people")


def people(declared: EnvironmentDeclaration, supply: Inputs) -> Iterator[Resource]:
    """Their logins, and how often they may be wrong."""
    if declared.lockout is not None:
        lockout = declared.lockout
        yield UserLockout("userpass", lockout.threshold, lockout.duration, lockout.reset_after)
    for name, person in sorted(declared.people.items()):
        record = ownership.path(declared.environment, UserpassLogin.kind, name)
        yield UserpassLogin(name, person.policies, person.ttl, person.max_ttl, supply, record)


def guards(declared: EnvironmentDeclaration) -> Iterator[Resource]:
    """Quotas and password policies."""
    environment = declared.environment
    for name, quota in sorted(declared.quotas.items()):
        full = f"{name}-{environment}"
        yield RateLimit(full, quota.path, quota.rate, quota.interval, quota.block or 0)
    for name, policy in sorted(declared.password_policies.items()):
        yield PasswordPolicy(f"{name}-{environment}", policy.length, policy.symbols)


def password_policy(declaration: Declaration, service: str, environment: Environment) -> str:
    """Name on the server of the policy for the passwords of *service*'s database users, or ``""``.

    Without one the server has its own: 20 characters of letters, digits and ``-``.
    """
    deployment = declaration.environment(environment).services[service]
    name = deployment.password_policy
    return f"{name}-{environment}" if name else ""
