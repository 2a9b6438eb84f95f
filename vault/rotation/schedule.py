"""Which items a scheduled run rotates: those under way, and those whose due date has come."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from vault.rotation.due import due_date, is_overdue
from vault.rotation.inventory import Item, Kind
from vault.rotation.record import Record, Step
from vault.rotation.server_ages import Age


def needs_run(item: Item, record: Record | None, ages: Collection[Age], now: datetime) -> bool:
    """Return whether a scheduled run must begin or continue the rotation of *item*.

    Args:
        item: The item.
        record: Its record, None if it was never rotated.
        ages: Its ages on the server.
        now: The current time.

    """
    if record is not None and not record.step.is_end:
        return True
    if item.every is None:
        return False  # because it changes only together with its parts
    if item.kind is Kind.KEY and any(_was_rotated_since(record, each) for each in ages):
        return True
    rotated = record.ended if record is not None else None
    created = [each.created or rotated for each in ages]
    dues = [
        due_date(time, item.every, each.expires)
        for time, each in zip(created, ages, strict=True)
        if time is not None
    ]
    return any(is_overdue(due, now) for due in dues)


def _was_rotated_since(record: Record | None, age: Age) -> bool:
    """Return whether the server has rotated a key by itself, so that its rewrap is left."""
    if record is None:
        return (age.version or 0) > 1
    return record.step is Step.DONE and (age.version or 0) > int(record.new)
