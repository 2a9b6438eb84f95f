"""Plan of one service, which reads nothing of the others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from vault.reconcile.planning.build import build_plan
from vault.reconcile.planning.dependencies import DEPENDENCIES
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources import AnyResource, ReadSession, Resource

#: Service of what belongs to none.
SHARED: Final = "-"


def build_service_plan(
    reader: ReadSession, resources: Sequence[Resource], scope: Scope, services: Collection[str]
) -> Plan:
    """Return the plan that changes only what belongs to the service of *scope*."""

    def owner_of(each: AnyResource) -> str:
        return find_service(each.name, scope.environment, services)

    own = [each for each in resources if owner_of(each) == scope.service]
    # A role needs its own policy only, and no job's.
    needed = {kind for each in own for kind in _below(each.kind)} - {"policy"}
    shared = [each for each in resources if owner_of(each) == SHARED and each.kind in needed]
    plan = build_plan(reader, [*shared, *own])
    first = [str(each) for each in plan.changes if owner_of(each.resource) == SHARED]
    if first:
        raise ConfigurationError(
            f"{scope.service} needs shared objects that are not as declared ({', '.join(first)}); "
            "plan and apply without --service first. Nothing was changed"
        )
    return plan


def _below(kind: str) -> Iterator[str]:
    """Yield the kinds that *kind* depends on."""
    for other in DEPENDENCIES[kind]:
        yield other
        yield from _below(other)


def find_service(name: str, environment: str, services: Collection[str]) -> str:
    """Return the service of a resource, ``-`` if it is of none."""
    if "/" in name:
        service = name.partition("/")[0]
        return service if service in services else SHARED
    mark = f"-{environment}"
    end = name.find(mark)
    while end > 0:
        rest = name[end + len(mark) :]
        if name[:end] in services and rest[:1] in {"", "-"}:
            return name[:end]
        end = name.find(mark, end + 1)
    return SHARED
