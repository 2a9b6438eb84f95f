"""Printing of the ledger. Names in an audit log may have any characters, so they are escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import Console

from console.views.columns import print_columns
from console.views.escapes import escape_unprintable, say
from vault.declare import durations
from vault.reconcile.server_time import format_time
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.last_reads import AuditLogs, Read
from vault.rotation.ledger.ledger import IN_CLOUDTRAIL, NO_LOG, ReadState, Row, State
from vault.rotation.response_log import describe_skipped

_HEADINGS: Final = (
    *("service", "kind", "name", "state", "age", "last rotation", "every", "due"),
    *("last read", "by"),
)
_USED: Final = (Kind.KEY, Kind.SECRET_ID)
_UNITS: Final = (("d", durations.DAY), ("h", durations.HOUR), ("m", durations.MINUTE))


def show_ledger(console: Console, rows: Sequence[Row], logs: AuditLogs | None) -> None:
    """Print one line for each row, and what the audit logs cover."""
    print_columns(console, [_HEADINGS, *map(_cells, rows)])
    counts = ", ".join(f"{sum(row.state is state for row in rows)} {state}" for state in State)
    is_on_aws = any(row.last_read.reason == IN_CLOUDTRAIL for row in rows)
    reads = [f"Reads are unknown: {IN_CLOUDTRAIL}."] if is_on_aws else _log_lines(logs)
    for line in (f"Ledger: {counts}.", *reads):
        say(console, line)


def format_age(seconds: int) -> str:
    """Return *seconds* in the largest unit that is not larger: 100000 → ``1d``, 59 → ``0m``."""
    unit, size = next((each for each in _UNITS if seconds >= each[1]), _UNITS[-1])
    return f"{seconds // size}{unit}"


def _cells(row: Row) -> tuple[str, ...]:
    item, age = row.item, row.age
    every = "with its parts" if item.every is None else durations.render(item.every)
    is_current = age.created is not None
    return (
        item.service or "-",
        item.kind,
        item.name,
        row.state if row.rotation is None else f"{row.state}, under way: {row.rotation.step}",
        "-" if row.age_seconds is None else format_age(row.age_seconds),
        _format(age.rotated) if age.rotated else ("never" if is_current else "-"),
        every if item.is_declared or item.every is None else f"{every} (default)",
        _format(row.due) if row.due else "-",
        *_read_cells(row),
    )


def _read_cells(row: Row) -> tuple[str, str]:
    last = row.last_read
    if last.state is ReadState.NEVER:
        return f"never {'used' if row.item.kind in _USED else 'read'}", ""
    if last.read is None:
        return "unknown", ""
    time = _format(last.read.time)
    if last.state is ReadState.UNKNOWN:
        return "unknown", f"the AppRole logged in at {time}{_host(last.read)}"
    version = f", version {last.read.version}" if last.read.version else ""
    operation = "" if last.read.operation == "read" else f" ({last.read.operation})"
    return f"{time}{operation}", f"{_identity(last.read)}{_host(last.read)}{version}"


def _identity(read: Read) -> str:
    if read.role is not None:
        return escape_unprintable(read.role)
    name = "" if read.display_name is None else f": {escape_unprintable(read.display_name)}"
    return f"a token without a role{name}"


def _host(read: Read) -> str:
    return "" if read.host is None else f" on {escape_unprintable(read.host)}"


def _log_lines(logs: AuditLogs | None) -> list[str]:
    if logs is None:
        return [f"Reads are unknown: {NO_LOG}; name one with --audit-log."]
    if logs.first is None:
        return ["Reads are unknown: the audit log has no line."]
    span = f"{_format(logs.first)} to {_format(logs.last)}"
    skipped = [f"{each[0].upper()}{each[1:]}." for each in describe_skipped(logs.files)]
    return [f"Reads are those in the audit log, from {span}.", *skipped]


def _format(time: datetime | None) -> str:
    return (format_time(time) or "")[:16].replace("T", " ") + "Z"
