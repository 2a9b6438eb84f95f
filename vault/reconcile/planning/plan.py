"""Plans: the changes between the desired and the actual state. Only :func:`read_state` does I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from vault.reconcile.resources import Fields, ReadSession, Resource
from vault.reconcile.resources.secrets import DerivedValue, SecretValue

#: Maximum number of concurrent requests; less than the connections that a session keeps open.
WORKERS: Final = 8
#: Resources that a worker reads per task, because one task per resource costs a tenth of a plan.
_BATCH: Final = 16


class Action(StrEnum):
    """Action on a resource."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A managed field that differs. *before* is None if the resource does not exist."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    """A resource that differs, with the fields that the server had."""

    action: Action
    resource: Resource
    before: Fields | None
    fields: tuple[FieldChange, ...]

    def __str__(self) -> str:
        return f"{self.action} {self.resource.kind} {self.resource.name}"

    @property
    def kind(self) -> str:
        """Return the kind of the resource."""
        return self.resource.kind

    @property
    def is_deletion(self) -> bool:
        """Return whether the change deletes the resource."""
        return self.action is Action.DELETE


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes that apply would write.

    Attributes:
        changes: In the order of the declaration. Apply sorts them by dependency.
        unchanged: Number of resources that are as declared.
        missing: Secrets that have no value, and that apply cannot generate.
        kept: Orphans that hold data, and therefore stay unless their full name is passed.
        absent: Data that was to be destroyed, but is already deleted.
        hashed: Computes :attr:`digest`. It takes a while, so only a plan that is saved computes it.

    """

    changes: tuple[Change, ...]
    unchanged: int
    missing: tuple[str, ...]
    kept: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    hashed: Callable[[], str] = field(default=lambda: "", repr=False, compare=False)

    @property
    def digest(self) -> str:
        """Return the hash of every response that was read for this plan."""
        return self.hashed()

    def count(self, action: Action) -> int:
        """Return the number of changes with *action*."""
        return sum(change.action is action for change in self.changes)


class Readable(Protocol):
    """What :func:`read_state` needs of a resource."""

    @property
    def kind(self) -> str:
        """Return its kind."""
        ...

    def read(self, reader: ReadSession) -> Fields | None:
        """Return its fields on the server, None if it does not exist."""
        ...


def read_state(
    reader: ReadSession, resources: Sequence[Readable], workers: int = WORKERS
) -> list[Fields | None]:
    """Return the server's fields of each of *resources*, in their order; None for one it lacks.

    The workers read kind by kind, because two neighbours in the declaration often need the same
    response, and one worker would wait for the other's.

    Args:
        reader: Must be allowed to read the resources. It is used by several threads.
        resources: In any order.
        workers: Maximum number of concurrent requests.

    """
    order = sorted(range(len(resources)), key=lambda index: resources[index].kind)
    batches = [order[begin : begin + _BATCH] for begin in range(0, len(order), _BATCH)]

    def read(batch: Sequence[int]) -> list[Fields | None]:
        return [resources[index].read(reader) for index in batch]

    with ThreadPoolExecutor(workers, "plan") as pool:
        try:
            found = [each for batch in pool.map(read, batches) for each in batch]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    actual = dict(zip(order, found, strict=True))
    return [actual[index] for index in range(len(resources))]


def make_plan(resources: Sequence[Resource], actual: Sequence[Fields | None]) -> Plan:
    """Return the plan that turns *actual* into the declared state of *resources*.

    Args:
        resources: Each after the parts that it is composed of. The changes keep this order.
        actual: Their fields on the server, from :func:`read_state`.

    """
    changes: list[Change] = []
    missing: list[str] = []
    written_secrets: set[str] = set()
    for resource, found in zip(resources, actual, strict=True):
        if found is None and _lacks_value(resource, missing):
            missing.append(resource.name)
            continue
        before = found and (_outdated_state(resource, written_secrets) or found)
        fields = _difference(resource.desired(), before)
        if fields:
            action = Action.UPDATE if before is not None else Action.CREATE
            changes.append(Change(action, resource, before, fields))
            if isinstance(resource, SecretValue | DerivedValue):
                written_secrets.add(resource.name)
    unchanged = len(resources) - len(changes) - len(missing)
    return Plan(tuple(changes), unchanged, tuple(missing))


def _lacks_value(resource: Resource, missing: Sequence[str]) -> bool:
    if isinstance(resource, SecretValue):
        return not resource.available
    return isinstance(resource, DerivedValue) and any(
        part in missing for part in resource.parts.values()
    )


def _outdated_state(resource: Resource, written_secrets: set[str]) -> Fields | None:
    """Return the state of a derived value of which a part changes in this plan, otherwise None."""
    if not isinstance(resource, DerivedValue):
        return None
    return {"value": "outdated"} if written_secrets & set(resource.parts.values()) else None


def _difference(desired: Fields, before: Fields | None) -> tuple[FieldChange, ...]:
    actual: Mapping[str, Any] = before or {}
    return tuple(
        FieldChange(name, actual.get(name), value)
        for name, value in desired.items()
        if before is None or actual.get(name) != value
    )
