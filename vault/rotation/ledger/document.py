"""The ledger as JSON for programs. Its keys do not change; times are in UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from app_integration.names import Environment
from vault.reconcile.server_time import format_time
from vault.rotation.ledger.last_reads import AuditLogs, Read
from vault.rotation.ledger.ledger import LastRead, Row, State
from vault.rotation.record import Record


def document(
    environment: Environment, rows: Iterable[Row], logs: AuditLogs | None, now: datetime
) -> dict[str, Any]:
    """Return the ledger as a JSON document."""
    rows = list(rows)
    return {
        "environment": environment.value,
        "time": format_time(now),
        "overdue": sum(row.state is State.OVERDUE for row in rows),
        "audit_log": None if logs is None else _logs(logs),
        "rows": [_row(row) for row in rows],
    }


def _row(row: Row) -> dict[str, Any]:
    item, age = row.item, row.age
    return {
        "service": item.service,
        "kind": item.kind.value,
        "name": item.name,
        "server_name": item.server_name,
        "state": row.state.value,
        "reason": age.reason,
        "version": age.version,
        "accessor": age.accessor,
        "created": format_time(age.created),
        "age_seconds": row.age_seconds,
        "last_rotation": format_time(age.rotated),
        "rotate_every_seconds": item.every,
        "rotate_every_declared": item.is_declared,
        "derived_from": list(item.derived_from),
        "expires": format_time(age.expires),
        "due": format_time(row.due),
        "rotation": None if row.rotation is None else _rotation(row.rotation),
        "last_read": _last_read(row.last_read),
    }


def _rotation(record: Record) -> dict[str, Any]:
    return {
        "step": record.step.value,
        "started": format_time(record.started),
        "promoted": format_time(record.promoted),
        "undoing": record.is_undone,
    }


def _last_read(last: LastRead) -> dict[str, Any]:
    read = last.read
    found: dict[str, Any] = {"state": last.state.value, "reason": last.reason}
    found |= _read(read) if read is not None else dict.fromkeys(_READ_KEYS)
    return found


_READ_KEYS = ("time", "operation", "role", "host", "display_name", "version")


def _read(read: Read) -> dict[str, Any]:
    return {key: getattr(read, key) for key in _READ_KEYS} | {"time": format_time(read.time)}


def _logs(logs: AuditLogs) -> dict[str, Any]:
    return {
        "first": format_time(logs.first),
        "last": format_time(logs.last),
        "skipped_lines": logs.skipped,
        "files": [
            {
                "path": str(each.path),
                "first": format_time(each.first),
                "last": format_time(each.last),
                "lines": each.lines,
                "skipped_lines": each.skipped,
            }
            for each in logs.files
        ],
    }
