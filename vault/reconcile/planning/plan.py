"""What has to change: desired against actual. Pure but for :func:`read_state`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from vault.reconcile.resources import Fields, Reader, Resource
from vault.reconcile.resources.secrets import DerivedValue, SecretValue

#: Requests under way at once; below the connections that a session keeps open.
WORKERS: Final = 8
#: Resources that a worker reads in one go: handing over each by itself costs a tenth of a plan.
_BATCH: Final = 16


class Action(StrEnum):
    """What happens to a resource."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One managed field that differs; *before* is None where the resource isn't there."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that differs, with what the server had."""

    action: Action
    resource: Resource
    before: Fields | None
    fields: tuple[FieldChange, ...]

    def __str__(self) -> str:
        return f"{self.action} {self.resource.kind} {self.resource.name}"

    @property
    def kind(self) -> str:
        """Of the resource."""
        return self.resource.kind

    @property
    def removed(self) -> bool:
        """Whether the resource goes."""
        return self.action is Action.DELETE


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply would do.

    Attributes:
        changes: in the order of the declaration; apply orders them by dependency.
        unchanged: how many resources are as declared.
        missing: secrets that nobody has given a value yet; apply can't make them up.
        kept: what is ours and declared no more, but holds data, so that it stays.
        absent: what was to be destroyed and is gone already.
        hashed: gives :attr:`digest`; reckoned only for a plan that is kept, as it takes a while.

    """

    changes: tuple[Change, ...]
    unchanged: int
    missing: tuple[str, ...]
    kept: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    hashed: Callable[[], str] = field(default=lambda: "", repr=False, compare=False)

    @property
    def digest(self) -> str:
        """Hash of everything that was read for this plan."""
        return self.hashed()

    def count(self, action: Action) -> int:
        """How many changes are an *action*."""
        return sum(change.action is action for change in self.changes)


def read_state(
    reader: Reader, resources: Sequence[Resource], workers: int = WORKERS
) -> list[Fields | None]:
    """What the server has for each of *resources*, in their order; *workers* ask at once.

    They ask kind by kind: two neighbours in the declaration often need the same answer, and one
    worker would wait for the other's.
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
    """The changes that turn *actual* into what *resources* declare, keeping their order."""
    changes: list[Change] = []
    missing: list[str] = []
    written: set[str] = set()
    for resource, found in zip(resources, actual, strict=True):
        if found is None and _can_not_be_made(resource, missing):
            missing.append(resource.name)
            continue
        before = found and (_outdated(resource, written) or found)
        fields = _difference(resource.desired(), before)
        if fields:
            action = Action.UPDATE if before is not None else Action.CREATE
            changes.append(Change(action, resource, before, fields))
            if isinstance(resource, SecretValue | DerivedValue):
                written.add(resource.name)
    unchanged = len(resources) - len(changes) - len(missing)
    return Plan(tuple(changes), unchanged, tuple(missing))


def _can_not_be_made(resource: Resource, missing: Sequence[str]) -> bool:
    if isinstance(resource, SecretValue):
        return not resource.available
    return isinstance(resource, DerivedValue) and any(
        part in missing for part in resource.parts.values()
    )


def _outdated(resource: Resource, written: set[str]) -> Fields | None:
    """What a derived value is once a part of it, one of *written*, is changed."""
    if not isinstance(resource, DerivedValue):
        return None
    return {"value": "outdated"} if written & set(resource.parts.values()) else None


def _difference(desired: Fields, before: Fields | None) -> tuple[FieldChange, ...]:
    actual: Mapping[str, Any] = before or {}
    return tuple(
        FieldChange(name, actual.get(name), value)
        for name, value in desired.items()
        if before is None or actual.get(name) != value
    )
