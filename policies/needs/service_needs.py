"""Needs of a service: the requests that its processes send, and what in it sends each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain

from agent.compiler.parser import Slot
from agent.compiler.template_compiler import compile_declared
from agent.compiler.template_context import secrets_of
from app_integration import permissions
from app_integration.errors import ConfigurationError, InvalidName
from app_integration.names import Scope
from app_integration.permissions import Need
from policies.acl.policy import Policy, read_policy
from policies.acl.policy_set import make_acl
from policies.needs.code_uses import Use
from policies.needs.sdk_names import Kind
from policies.render import service_policy
from vault.declare.declaration import Declaration
from vault.declare.load import display_path
from vault.declare.schema.model import role_suffix
from vault.reconcile.desired.leased_roles import leased_roles

#: Needs of the token itself; those of leases are of services that have some.
_TOKEN = tuple(each for each in permissions.IMPLIED if each.path.startswith("auth/token/"))
_LEASES = tuple(each for each in permissions.IMPLIED if each not in _TOKEN)


@dataclass(frozen=True, slots=True)
class ServiceNeed:
    """A capability on a path, and the place of what uses it."""

    need: Need
    place: str


class Service:
    """A service in one environment, with the policy that its declaration renders."""

    def __init__(self, declaration: Declaration, scope: Scope) -> None:
        """Render the policy."""
        self.scope = scope
        self.policy = read_policy(str(scope), service_policy(declaration, scope))
        self._declaration = declaration
        self._declared = declaration.service(scope.service)
        self._environment = declaration.environment(scope.environment)
        self._acl = make_acl(self.policy)

    def grants(self, use: Use) -> bool:
        """Return whether the policy grants all that *use* needs, whose name is known."""
        return all(
            each.capability in self._acl.capabilities(each.path) for each in self.needs_of(use)
        )

    def needs_of(self, use: Use) -> list[Need]:
        """Return what *use* needs, whose name is known.

        Raises:
            ConfigurationError: The service can have nothing of that name.

        """
        try:
            return list(self._needs_of(use.kind, use.name, use.operations))
        except InvalidName as error:
            raise ConfigurationError(f"{use.place}: {error}") from None

    def find_needs(self, uses: Iterable[Use]) -> list[ServiceNeed]:
        """Return what the service needs of itself, for its template, and for those of *uses*.

        Of a name that is not known in whole, each declared one may be it. A use of a name that the
        policy grants nothing for is none of this service.
        """
        own = [(each, "the declaration") for each in self._own_needs()]
        of_code = ((each, use.place) for use in uses for each in self._possible_needs(use))
        return sorted(
            {ServiceNeed(*each) for each in chain(own, self._template_needs(), of_code)},
            key=lambda each: (each.need, each.place),
        )

    def _needs_of(self, kind: Kind, name: str, operations: Iterable[str]) -> Iterator[Need]:
        scope, mounts = self.scope, self._environment.mounts
        for operation in operations:
            yield permissions.need(operation, _spell(scope, kind, name), mounts)
        if kind is Kind.SECRET and name in self._declaration.adopted(scope):
            yield permissions.need("read-static-user", scope.static_role(name), mounts)

    def _possible_needs(self, use: Use) -> Iterator[Need]:
        for name in self._names(use.kind):
            if fnmatchcase(name, use.name):
                yield from self._needs_of(use.kind, name, use.operations)

    def _names(self, kind: Kind) -> Iterable[str]:
        database, redis = self._declared.database, self._declared.redis
        return {
            Kind.SECRET: self._declaration.secrets(self.scope),
            Kind.KEY: self._declared.keys,
            Kind.DATABASE_ROLE: database.roles if database else (),
            Kind.REDIS_ROLE: redis.roles if redis else (),
        }[kind]

    def _own_needs(self) -> Iterator[Need]:
        yield from _TOKEN
        if leased_roles(self._declaration, self.scope):
            yield from _LEASES
        if device := self._environment.vault.audit_device:
            yield permissions.need("hash-for-audit", device)
        if key := self._declaration.audit_key(self.scope.service):
            yield from self._needs_of(Kind.KEY, key, ("encrypt",))

    def _template_needs(self) -> Iterator[tuple[Need, str]]:
        config = self._declared.config
        if config is None:
            return
        path = self._declaration.template_root / self.scope.service / config.template
        for piece in compile_declared(self._declaration, self.scope, config).pieces:
            if isinstance(piece, Slot):
                for secret in secrets_of(piece.value):
                    for each in secret.needs:
                        yield each, f"{display_path(path)}:{piece.line}"


def _spell(scope: Scope, kind: Kind, name: str) -> str:
    """Return the name on the server."""
    if kind is Kind.SECRET:
        return scope.secret(name)
    if kind is Kind.KEY:
        return scope.key(name)
    role = role_suffix(name)
    return scope.redis_role(role) if kind is Kind.REDIS_ROLE else scope.database_role(role)


def make_minimal(name: str, needs: Iterable[ServiceNeed]) -> Policy:
    """Return the policy *name* that grants *needs*, and nothing else."""
    rules = sorted({each.need for each in needs})
    return read_policy(name, "\n".join(each.policy_rule() for each in rules))
