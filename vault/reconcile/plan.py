"""What has to change: desired against actual. Pure but for :func:`read_actual`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app_integration.session import Session
from vault.reconcile.resources import Fields, Resource
from vault.reconcile.resources.secrets import DerivedValue, SecretValue


class Action(StrEnum):
    """What happens to a resource."""

    CREATE = "create"
    UPDATE = "update"


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


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply would do, in order.

    Attributes:
        unchanged: how many resources are as declared.
        missing: secrets that nobody has given a value yet; apply can't make them up.
    """

    changes: tuple[Change, ...]
    unchanged: int
    missing: tuple[str, ...]


def read_actual(session: Session, resources: Sequence[Resource]) -> list[Fields | None]:
    """What the server has for each of *resources*, in their order."""
    return [resource.read(session) for resource in resources]


def make_plan(resources: Sequence[Resource], actual: Sequence[Fields | None]) -> Plan:
    """The changes that turn *actual* into what *resources* declare, keeping their order."""
    changes: list[Change] = []
    missing: list[str] = []
    for resource, found in zip(resources, actual, strict=True):
        if found is None and _can_not_be_made(resource, missing):
            missing.append(resource.name)
            continue
        before = found and (_outdated(resource, changes) or found)
        fields = _difference(resource.desired(), before)
        if fields:
            action = Action.UPDATE if before is not None else Action.CREATE
            changes.append(Change(action, resource, before, fields))
    unchanged = len(resources) - len(changes) - len(missing)
    return Plan(tuple(changes), unchanged, tuple(missing))


def _can_not_be_made(resource: Resource, missing: Sequence[str]) -> bool:
    if isinstance(resource, SecretValue):
        return not resource.available
    return isinstance(resource, DerivedValue) and any(
        part in missing for part in resource.parts.values()
    )


def _outdated(resource: Resource, changes: Sequence[Change]) -> Fields | None:
    """What a derived value is once *changes* are made, when they change a part of it."""
    if not isinstance(resource, DerivedValue):
        return None
    written = {
        change.resource.name
        for change in changes
        if isinstance(change.resource, SecretValue | DerivedValue)
    }
    return {"value": "outdated"} if written & set(resource.parts.values()) else None


def _difference(desired: Fields, before: Fields | None) -> tuple[FieldChange, ...]:
    actual: Mapping[str, Any] = before or {}
    return tuple(
        FieldChange(name, actual.get(name), value)
        for name, value in desired.items()
        if before is None or actual.get(name) != value
    )
