"""Check that no two things of a declaration get the same name on a server.

Names are joined with ``-``, so ``a`` in ``prod`` with a key ``eu-pii`` and ``a`` in ``prod-eu``
with a key ``pii`` would both use the Transit key ``a-prod-eu-pii``. All names are compared,
whichever Vault an environment has, because ``VAULT_ADDR`` can lead to another one. The check reads
plain data, and skips names that the schema rejects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from app_integration.errors import InvalidName
from app_integration.names import Environment, Scope
from vault.declare.checks.service import Data, section
from vault.declare.errors import Loc, format_location
from vault.declare.schema.field_types import is_loopback
from vault.declare.schema.model import role_suffix

#: Policies of people and of the server: ``control`` in ``group`` would be ``control-group``.
RESERVED: Final = frozenset({"developer", "default", "root", "control-group", "response-wrapping"})
#: Names of this project's own jobs and keys begin with this.
RESERVED_PREFIX: Final = "strongroom-"

_POLICY: Final = "policy"
_POSTGRES_ROLE: Final = "PostgreSQL role"
_EXPECTED: Final = "names that also differ after they are joined with '-'"
_EXPECTED_SERVER: Final = "a separate database server, as each Vault changes its manager's password"


@dataclass(frozen=True, slots=True)
class Claim:
    """A name on a server, and the place in the declaration that it is derived from.

    In messages, *subject* stands for *loc*, and *expected* is what to declare instead of two equal
    names. *server* is "" for every Vault.
    """

    kind: str
    name: str
    folder: str
    stem: str
    loc: Loc
    subject: str
    server: str = ""
    expected: str = _EXPECTED

    @property
    def is_reserved(self) -> bool:
        """Return whether the name is that of a policy that no service may have."""
        reserved = self.name in RESERVED or self.name.startswith(RESERVED_PREFIX)
        return self.kind == _POLICY and reserved


@dataclass(frozen=True, slots=True)
class Collision:
    """A name that is taken already, by *first*, or reserved, if *first* is None."""

    claim: Claim
    first: Claim | None

    def describe(self, locate: Callable[[Claim], tuple[str, int]]) -> str:
        """Return the message without the place of *claim*."""
        what = f"{self.claim.subject} would use the {self.claim.kind} {self.claim.name!r}"
        if self.first is None:
            return f"{what}, which is reserved (expected another name of the service)"
        file, line = locate(self.first)
        other = f"{self.first.subject} at {file}:{line}"
        return f"{what}, as would {other} (expected {self.claim.expected})"


class _Names:
    """The names that are taken, with the first claim of each."""

    def __init__(self) -> None:
        self._claims: dict[tuple[str, str, str], Claim] = {}

    def add(self, claims: Iterable[Claim]) -> Iterator[Collision]:
        """Add each claim, and yield those whose name is taken or reserved."""
        for claim in claims:
            first = self._claims.setdefault((claim.kind, claim.server, claim.name), claim)
            if first is not claim or claim.is_reserved:
                yield Collision(claim, first if first is not claim else None)


def find_collisions(
    services: Mapping[str, Data], environments: Mapping[str, Data]
) -> Iterator[Collision]:
    """Return the names that two things would have, and those that are reserved.

    Only a service that runs in an environment has names there. If all names of a service in an
    environment are those of another, or all its names in PostgreSQL, only one is returned.
    """
    names = _Names()
    for stem, data in environments.items():
        yield from names.add(_environment_claims(stem, data))
        for name in section(data, "services"):
            scope = _scope(name, stem)
            if scope is None:
                continue
            whole = list(names.add([_scope_claim(scope)]))
            yield from whole
            if whole:
                continue
            service, deployment = section(services, name), section(data, "services", name)
            yield from names.add(_vault_claims(scope, service, deployment))
            yield from islice(names.add(_postgres_claims(scope, service, deployment)), 1)


def _scope(service: str, environment: str) -> Scope | None:
    try:
        return Scope(service, Environment(environment))
    except InvalidName:
        return None


def _environment_claims(stem: str, data: Data) -> Iterator[Claim]:
    """Yield the names of the rate limits and password policies of an environment."""
    for key, kind in (("quotas", "rate limit"), ("password_policies", "password policy")):
        for name in section(data, key):
            yield _in_environment(kind, f"{name}-{stem}", stem, (key, name))


def _in_environment(kind: str, name: str, environment: str, loc: Loc, what: str = "") -> Claim:
    subject = f"{what}{format_location(loc)}"
    return Claim(kind, name, "environments", environment, loc, subject)


def _in_service(kind: str, name: str, scope: Scope, loc: Loc) -> Claim:
    subject = f"{format_location(loc)} in {scope.environment}"
    return Claim(kind, name, "services", scope.service, loc, subject)


def _scope_claim(scope: Scope) -> Claim:
    """Return the claim of the policy, whose name AppRole and connection have too."""
    return _in_environment(_POLICY, str(scope), scope.environment, ("services", scope.service))


def _vault_claims(scope: Scope, service: Data, deployment: Data) -> Iterator[Claim]:
    """Yield the names in Vault that begin with the scope."""
    here: Loc = ("services", scope.service)
    starter = "the starter of "
    yield _in_environment(_POLICY, scope.starter, scope.environment, here, starter)
    yield from _colour_claims(scope, deployment)
    for key in section(service, "keys"):
        if name := _derive(scope.key, key):
            yield _in_service("Transit key", name, scope, ("keys", key))
    yield from _role_claims(scope, service)
    for secret in section(deployment, "adopted"):
        if name := _derive(scope.static_role, secret):
            loc = (*here, "adopted", secret)
            yield _in_environment("database role", name, scope.environment, loc)
    for secret in section(deployment, "paired"):
        loc = (*here, "paired", secret)
        for derive in (scope.first_static_role, scope.second_static_role):
            if name := _derive(derive, secret):
                yield _in_environment("database role", name, scope.environment, loc)


def _role_claims(scope: Scope, service: Data) -> Iterator[Claim]:
    """Yield the names of the roles that lease users."""
    for key, derive in (("database", scope.database_role), ("redis", scope.redis_role)):
        for role in section(service, key, "roles"):
            if name := _derive(derive, role_suffix(role)):
                yield _in_service("database role", name, scope, (key, "roles", role))


def _colour_claims(scope: Scope, deployment: Data) -> Iterator[Claim]:
    colours = deployment.get("colours")
    for index, colour in enumerate(colours if isinstance(colours, tuple) else ()):
        if isinstance(colour, str) and (name := _derive(scope.colour, colour)):
            loc = ("services", scope.service, "colours", index)
            yield _in_environment(_POLICY, name, scope.environment, loc)


def _derive(derive: Callable[[Any], str], part: str | None) -> str | None:
    try:
        return derive(part)
    except InvalidName:
        return None


def _postgres_claims(scope: Scope, service: Data, deployment: Data) -> Iterator[Claim]:
    """Yield the names on the PostgreSQL server of the service.

    A loopback address is another server in each environment, because each has its own machines. In
    dev every such address leads to the server of the local deployment.
    """
    database, endpoint = section(service, "database").get("name"), deployment.get("database")
    if not isinstance(database, str) or not isinstance(endpoint, str):
        return
    environment, server = scope.environment, endpoint.lower()
    if is_loopback(f"tcp://{endpoint}"):
        port = "" if environment.is_dev else endpoint.rpartition(":")[2]
        server = f"{port} in {environment}"
    loc: Loc = ("services", scope.service, "database")
    others = (scope.readonly_role, scope.app_role)
    for role in (scope.manager_role, scope.owner_role, *others):
        claim = _in_environment(_POSTGRES_ROLE, role, environment, loc)
        yield replace(claim, server=server, expected=_EXPECTED_SERVER)
    claim = _in_service("PostgreSQL database", database, scope, ("database", "name"))
    yield replace(claim, server=server, expected=f"a database of its own on {endpoint}")
