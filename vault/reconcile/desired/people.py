"""People who log in with passwords, and the protection against too many requests."""

from __future__ import annotations

from collections.abc import Iterator

from app_integration.names import Environment
from vault.declare.declaration import Declaration
from vault.declare.schema.model import EnvironmentDeclaration
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Resource
from vault.reconcile.resources.audited_header import AuditedHeader
from vault.reconcile.resources.auth import UserpassLogin
from vault.reconcile.resources.guards import PasswordPolicy, RateLimit, UserLockout
from vault.reconcile.resources.mounts import Mount
from vault.reconcile.resources.ownership import Owner


def userpass_mount(declared: EnvironmentDeclaration) -> Iterator[Resource]:
    """Yield the userpass mount if the declaration has people."""
    if declared.people:
        yield Mount("auth", "userpass", "userpass", "people", deployment=declared.deployment)


def userpass_logins(declared: EnvironmentDeclaration, inputs: Inputs) -> Iterator[Resource]:
    """Yield the userpass logins and their lockout."""
    if declared.lockout is not None:
        lockout = declared.lockout
        yield UserLockout("userpass", lockout.threshold, lockout.duration, lockout.reset_after)
    for name, person in sorted(declared.people.items()):
        entry = Owner.of(declared).entry(UserpassLogin.kind, name)
        yield UserpassLogin(name, person.policies, person.ttl, person.max_ttl, inputs, entry)


def guards(declared: EnvironmentDeclaration) -> Iterator[Resource]:
    """Yield the rate limits, the password policies, and the header in the audit log."""
    if declared.vault.audit_trace_ids:
        yield AuditedHeader()
    environment = declared.environment
    for name, quota in sorted(declared.quotas.items()):
        full = f"{name}-{environment}"
        yield RateLimit(full, quota.path, quota.rate, quota.interval, quota.block or 0)
    for name, policy in sorted(declared.password_policies.items()):
        yield PasswordPolicy(
            f"{name}-{environment}",
            policy.length,
            policy.symbols,
            declared.deployment,
            declared.is_scoped,
        )


def password_policy(declaration: Declaration, service: str, environment: Environment) -> str:
    """Return the name on the server of the policy for *service*'s database passwords.

    The result is ``""`` if the declaration has none. The server then uses its default: 20
    characters of letters, digits and ``-``.
    """
    deployment = declaration.environment(environment).services[service]
    name = deployment.password_policy
    return f"{name}-{environment}" if name else ""
