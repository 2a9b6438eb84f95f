"""Plans: the changes between the desired and the actual state. Only :func:`read_state` does I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol, TypeVar

from app_integration.errors import ConfigurationError, StrongroomError
from vault.reconcile.resources import (
    OUTDATED,
    UNREPORTED,
    AnyResource,
    Checked,
    ComposedValue,
    Fields,
    Guarded,
    NoValue,
    SuppliedValue,
    ValueSetting,
)

#: Maximum number of concurrent requests; less than the connections that a session keeps open.
WORKERS: Final = 8
#: Resources that a worker reads per task, because one task per resource costs a tenth of a plan.
_BATCH: Final = 16

_Reader_contra = TypeVar("_Reader_contra", contravariant=True)


class Widening(ConfigurationError):
    """A change that grants more than is granted now, and that was not allowed to."""


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
    resource: AnyResource
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

    *ended* are those of *missing* whose version was deleted or destroyed → which and how. *kept*
    are orphans that hold data and stay, *absent* is data to destroy that is gone already, and
    *lost_keys* existed before. *hashed* takes a while, so only a plan that is saved calls it.
    """

    changes: tuple[Change, ...]
    unchanged: int
    missing: tuple[str, ...]
    kept: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    lost_keys: tuple[str, ...] = ()
    ended: Mapping[str, str] = field(default_factory=dict)
    widening: Sequence[tuple[Change, str]] = ()
    may_widen: bool = False
    hashed: Callable[[], str] = field(default=lambda: "", repr=False, compare=False)

    @property
    def digest(self) -> str:
        """Return the hash of every response that was read for this plan."""
        return self.hashed()

    @property
    def obstacles(self) -> list[tuple[Change, StrongroomError]]:
        """Return the changes that cannot be written, as is known before the first, and why."""
        found = [(each, error) for each in self.changes if (error := _find_obstacle(each))]
        if self.may_widen:
            return found
        widening = (
            (change, Widening(f"it grants more: {what}; if that is meant, plan it with --widen"))
            for change, what in self.widening
        )
        return [*found, *widening]

    def count(self, action: Action) -> int:
        """Return the number of changes with *action*."""
        return sum(change.action is action for change in self.changes)


def find_widening(changes: Iterable[Change], created: Collection[str]) -> list[tuple[Change, str]]:
    """Return the changes that grant more than is granted now, or may, and what each grants."""
    return [
        (change, "; ".join(lines))
        for change in changes
        if change.before is not None and isinstance(change.resource, Guarded)
        if (lines := change.resource.widening(change.before, created))
    ]


def _find_obstacle(change: Change) -> StrongroomError | None:
    if not isinstance(change.resource, Checked):
        return None
    try:
        change.resource.check(change.before)
    except StrongroomError as error:
        return error
    return None


class Readable(Protocol[_Reader_contra]):
    """What :func:`read_state` needs of a resource."""

    @property
    def kind(self) -> str:
        """Return its kind."""
        ...

    def read(self, reader: _Reader_contra) -> Fields | None:
        """Return its fields on the server, None if it does not exist."""
        ...


def read_state(
    reader: _Reader_contra, resources: Sequence[Readable[_Reader_contra]], workers: int = WORKERS
) -> list[Fields | None]:
    """Return the server's fields of each of *resources*, in their order; None for one it lacks.

    Several threads use *reader*. They read kind by kind, because neighbours in the declaration
    often need the same response, and one thread would wait for the other's.
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


def make_plan(resources: Sequence[AnyResource], actual: Sequence[Fields | None]) -> Plan:
    """Return the plan that turns *actual* into the declared state of *resources*.

    Each of them must come after the parts that it is composed of. The changes keep their order.
    """
    changes: list[Change] = []
    missing: list[str] = []
    written_secrets: set[str] = set()
    for resource, found in zip(resources, actual, strict=True):
        before = found and _with_outdated_value(resource, found, written_secrets)
        if _lacks_value(resource, before, missing):
            if resource.name not in missing:
                missing.append(resource.name)
            continue
        fields = _difference(resource.desired(), before)
        if fields:
            action = Action.UPDATE if before is not None else Action.CREATE
            changes.append(Change(action, resource, before, fields))
            if isinstance(resource, SuppliedValue | ComposedValue):
                written_secrets.add(resource.name)
    unchanged = len(resources) - len(changes) - len(missing)
    not_compared = (
        f"{resource.kind} {resource.name}: {name}"
        for resource, found in zip(resources, actual, strict=True)
        for name, value in (found or {}).items()
        if value is UNREPORTED
    )
    ended = {
        resource.name: state.reason
        for resource, found in zip(resources, actual, strict=True)
        if resource.name in missing and isinstance(state := _value_state(found), NoValue)
    }
    return Plan(
        tuple(changes), unchanged, tuple(missing), not_compared=tuple(not_compared), ended=ended
    )


def _value_state(fields: Fields | None) -> Any:
    return (fields or {}).get("value")


def _lacks_value(resource: AnyResource, before: Fields | None, missing: Sequence[str]) -> bool:
    """Return whether *resource* has no value, and gets none from this plan."""
    if before is not None and (state := _value_state(before)) != OUTDATED:
        return isinstance(state, NoValue)
    if isinstance(resource, SuppliedValue):
        return not resource.available
    if isinstance(resource, ValueSetting):
        return resource.name in missing
    return isinstance(resource, ComposedValue) and any(
        part in missing for part in resource.parts.values()
    )


def _with_outdated_value(resource: AnyResource, found: Fields, written_secrets: set[str]) -> Fields:
    """Return *found*, as outdated if this plan changes a part of the value."""
    if not isinstance(resource, ComposedValue):
        return found
    changes = written_secrets & set(resource.parts.values())
    return {**found, "value": OUTDATED} if changes else found


def _difference(desired: Fields, before: Fields | None) -> tuple[FieldChange, ...]:
    actual: Mapping[str, Any] = before or {}
    return tuple(
        FieldChange(name, actual.get(name), value)
        for name, value in desired.items()
        if before is None or actual.get(name) not in (value, UNREPORTED)
    )
