"""Ledger: one row for each declared value, with its age, its due date and its last read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from app_integration.names import AGENT_ISSUED
from vault.rotation.due import age_seconds, due_date, is_overdue
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.last_reads import AuditLogs, Read
from vault.rotation.record import Record
from vault.rotation.server_ages import OTHER_STORE, Age

NO_LOG: Final = "no audit log was read"
EMPTY_LOG: Final = "the audit log has no line"
IN_CLOUDTRAIL: Final = "they are in CloudTrail"
SERVER_ONLY: Final = "only the server knows this password"


class State(StrEnum):
    """The state of a row."""

    OK = "ok"
    OVERDUE = "overdue"
    NO_VALUE = "no value"
    UNKNOWN = "unknown"


class ReadState(StrEnum):
    """Whether the logs prove a read."""

    READ = "read"
    NEVER = "never"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LastRead:
    """Last read of a value."""

    state: ReadState
    reason: str | None = None
    read: Read | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One declared value."""

    item: Item
    age: Age
    state: State
    age_seconds: int | None
    due: datetime | None
    last_read: LastRead
    rotation: Record | None = None


def _no_record(_item: Item) -> None:
    """Return that an item was never rotated."""


def build_ledger(
    items: Iterable[Item],
    read_ages: Callable[[Item], list[Age]],
    logs: AuditLogs | None,
    now: datetime,
    read_record: Callable[[Item], Record | None] = _no_record,
) -> list[Row]:
    """Return the rows of *items*, in their order."""
    return [
        replace(row, rotation=record if record is not None and not record.step.is_end else None)
        for item in items
        for record in [read_record(item)]
        for row in _rows(item, _read_ages(item, read_ages, record), logs, now)
    ]


def _read_ages(
    item: Item, read_ages: Callable[[Item], list[Age]], record: Record | None
) -> list[Age]:
    """Return the ages of *item*. The record has that of what the server keeps no time of."""
    is_kept = item.kind not in {Kind.ROOT_USER, Kind.INDEX_KEY}
    if not is_kept and record is not None and record.ended is not None:
        return [Age(record.ended, record.ended)]
    return read_ages(item)


def _rows(item: Item, ages: list[Age], logs: AuditLogs | None, now: datetime) -> Iterator[Row]:
    for read in ages:
        age = _with_rotation(item, read, logs)
        last_read = _last_read(item, age, logs)
        if age.created is None:
            state = State.NO_VALUE if age.is_known else State.UNKNOWN
            yield Row(item, age, state, None, None, last_read)
            continue
        due = due_date(age.created, item.every, age.expires)
        state = State.OVERDUE if is_overdue(due, now) else State.OK
        yield Row(item, age, state, age_seconds(age.created, now), due, last_read)


def _with_rotation(item: Item, age: Age, logs: AuditLogs | None) -> Age:
    """Return *age* with the rotation that the logs show, if it is newer than what is known."""
    rotated = logs.rotations.get(item) if logs is not None else None
    if rotated is None or (age.created is not None and age.created >= rotated):
        return age
    return replace(age, created=rotated, rotated=rotated, reason=None, is_known=True)


def _last_read(item: Item, age: Age, logs: AuditLogs | None) -> LastRead:
    if item.kind is Kind.ROOT_USER:
        return LastRead(ReadState.UNKNOWN, SERVER_ONLY)
    if item.kind is Kind.INDEX_KEY:
        return LastRead(ReadState.UNKNOWN, OTHER_STORE)
    if logs is None or logs.first is None:
        return LastRead(ReadState.UNKNOWN, NO_LOG if logs is None else EMPTY_LOG)
    if item.kind is Kind.SECRET_ID:
        return _last_login(item, age, logs)
    read = logs.reads.get(item)
    return LastRead(ReadState.NEVER) if read is None else LastRead(ReadState.READ, read=read)


def _last_login(item: Item, age: Age, logs: AuditLogs) -> LastRead:
    """Return what is known of the last login with a secret-id.

    The log shows only the role of one without a name, which is certain to be unused if no login
    without a name has followed its issue.
    """
    if age.created is None and age.is_known:
        return _last_login_of_role(item, logs)
    login = logs.logins.get((item.server_name, age.issued))
    if login is not None and age.issued is not None:
        return LastRead(ReadState.READ, read=login)
    if login is None or (age.created is not None and login.time < age.created):
        return LastRead(ReadState.NEVER)
    reason = "the secret-id has no name, so that the log shows only the logins of its AppRole"
    return LastRead(ReadState.UNKNOWN, reason, login)


def _last_login_of_role(item: Item, logs: AuditLogs) -> LastRead:
    """Return the last login with a secret-id that is no longer valid, other than an agent's."""
    logins = (
        login
        for (role, name), login in logs.logins.items()
        if role == item.server_name and name != AGENT_ISSUED
    )
    login = max(logins, key=lambda each: each.time, default=None)
    return LastRead(ReadState.NEVER) if login is None else LastRead(ReadState.READ, read=login)
