"""What a store covers: its devices, the time between the first line and the last, and silences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vault.audit.ingest.index import Index
from vault.audit.report.activity import IN_PERIOD, ask

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Minutes without a line that are reported. Agents and applications renew tokens more often.
SILENCE: Final = 60
MAX_SILENCES: Final = 20
#: Damaged lines of one log that are named. Further ones are counted.
MAX_DAMAGE: Final = 20


def _find_devices(connection: DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return for each device the lines of the period. Each device has a line for each request."""
    return ask(
        connection,
        f"""
        SELECT device, count(*) AS lines, count(*) FILTER (type = 'request') AS requests,
            count(*) FILTER (type = 'response') AS responses,
            utc(min(time)) AS first, utc(max(time)) AS last
        FROM lines WHERE {IN_PERIOD}
        GROUP BY device ORDER BY device
        """,
    ).rows


def _find_silences(connection: DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return the longest times without a line: no request was sent, or lines are missing."""
    return ask(
        connection,
        f"""
        WITH minutes AS (
            SELECT DISTINCT date_trunc('minute', CAST(time AS TIMESTAMP)) AS minute FROM lines
            WHERE {IN_PERIOD}
        ),
        silences AS (
            SELECT minute AS start, lead(minute) OVER (ORDER BY minute) AS stop FROM minutes
        )
        SELECT utc(start) AS first, utc(stop) AS last,
            CAST(epoch(stop - start) AS BIGINT) AS seconds
        FROM silences WHERE stop - start > INTERVAL {SILENCE} MINUTE
        ORDER BY seconds DESC, start LIMIT {MAX_SILENCES}
        """,
    ).rows


def _count_other_namespaces(connection: DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return the requests of other namespaces. A report has only their number."""
    return ask(
        connection,
        f"""
        SELECT namespace, count(*) AS requests FROM events
        WHERE namespace <> getvariable('namespace')
            AND {IN_PERIOD}
        GROUP BY namespace ORDER BY namespace
        """,
    ).rows


def find_coverage(connection: DuckDBPyConnection) -> dict[str, Any]:
    """Return what a store covers of the period."""
    devices = _find_devices(connection)
    return {
        "first": min((each["first"] for each in devices), default=None),
        "last": max((each["last"] for each in devices), default=None),
        "devices": devices,
        "silences": _find_silences(connection),
        "other_namespaces": _count_other_namespaces(connection),
    }


def describe_logs(index: Index) -> list[dict[str, Any]]:
    """Return what was read of each log that the store was made of, damage by line."""
    logs = [
        {
            "files": sorted(entry.stamps),
            "device": entry.device,
            "lines": entry.lines,
            "damaged": entry.damaged,
            "rescued": entry.rescued,
            "damage": [
                {"line": each.line, "offset": each.offset, "reason": each.reason.value}
                for each in entry.damage[:MAX_DAMAGE]
            ],
        }
        for entry in index.logs.values()
    ]
    return sorted(logs, key=lambda log: (log["device"] or "", log["files"]))
