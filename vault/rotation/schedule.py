"""Which items a scheduled run rotates: those under way, and those whose due date has come."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final

from app_integration.names import AGENT_ISSUED
from vault.rotation.due import due_date, is_overdue
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Record, Step
from vault.rotation.server_ages import Age

#: Part of the time of a value that expires, which is left when it is replaced.
_LEFT: Final = 1 / 3


def needs_run(
    item: Item,
    record: Record | None,
    read_ages: Callable[[], Collection[Age]],
    now: datetime,
) -> bool:
    """Return whether a scheduled run must begin or continue the rotation of *item*.

    *read_ages* is called only if they matter, because the rotator may not read all of them.
    """
    if record is not None and (record.needs_another or not record.step.is_end):
        return True
    if item.every is None or item.kind is Kind.STATIC_USER:
        return False  # because it changes with its parts, or the server rotates it by itself
    ages = read_ages()
    if item.kind is Kind.KEY and any(_was_rotated_since(record, each) for each in ages):
        return True
    rotated = record.ended if record is not None else None
    own = [each for each in ages if each.issued != AGENT_ISSUED]
    dues = [_due_date(item, each, each.created or rotated) for each in own]
    return any(is_overdue(due, now) for due in dues)


def _due_date(item: Item, age: Age, created: datetime | None) -> datetime | None:
    """Return when a run must begin, None if that is not known.

    What expires is replaced when a third of its time is left. After its end, its consumers would
    fail, and the server has nothing any more that could be overdue.
    """
    if created is None:
        return None
    expires = age.expires
    early = expires - (expires - created) * _LEFT if expires is not None else None
    return due_date(created, item.every, early)


def _was_rotated_since(record: Record | None, age: Age) -> bool:
    """Return whether the server has rotated a key by itself, so that its rewrap is left."""
    if record is None:
        return (age.version or 0) > 1
    return record.step is Step.DONE and (age.version or 0) > int(record.new)
