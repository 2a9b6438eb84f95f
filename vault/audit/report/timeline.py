"""Activity over time: by the hour, or by the day if it is long."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from vault.audit.report.activity import ask, count_where
from vault.audit.report.activity_filter import ANY, ActivityFilter

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Longest time that a timeline shows by the hour.
_HOURLY: Final = timedelta(days=3)
#: Numbers of requests, by their outcome and category.
COUNTS: Final = f"""
{count_where("outcome = 'ok'")} AS ok, {count_where("outcome = 'denied'")} AS denied,
{count_where("outcome = 'failed'")} AS failed, {count_where("outcome = 'absent'")} AS absent,
{count_where("outcome = 'ok' AND category = 'read'")} AS reads,
{count_where("outcome = 'ok' AND category = 'login'")} AS logins
"""


def find_timeline(connection: DuckDBPyConnection, asked: ActivityFilter = ANY) -> dict[str, Any]:
    """Return the numbers of requests of each hour or day."""
    condition, values = asked.build_condition()
    step = _find_step(connection, condition, values)
    query = f"""
        SELECT utc(date_trunc('{step}', hour)) AS time, {COUNTS}
        FROM activity WHERE {condition} GROUP BY ALL ORDER BY time
    """
    return {"step": step, "rows": ask(connection, query, values).rows}


def find_version_timeline(
    connection: DuckDBPyConnection, service: str, environment: str, name: str
) -> dict[str, Any]:
    """Return how often each version of one declared value was read, in each hour or day.

    The version is null where the log has none.
    """
    condition = (
        "service = $service AND environment = $environment AND name = $name"
        " AND category = 'read' AND outcome = 'ok'"
    )
    values = {"service": service, "environment": environment, "name": name}
    step = _find_step(connection, condition, values)
    query = f"""
        SELECT utc(date_trunc('{step}', hour)) AS time,
            coalesce(version, key_version) AS version, CAST(sum(count) AS BIGINT) AS count
        FROM activity WHERE {condition} GROUP BY ALL ORDER BY time, version
    """
    return {"step": step, "rows": ask(connection, query, values).rows}


def _find_step(connection: DuckDBPyConnection, condition: str, values: dict[str, str]) -> str:
    query = f"SELECT min(hour), max(hour) FROM activity WHERE {condition}"
    ((first, last),) = connection.execute(query, values).fetchall()
    return "hour" if first is None or last - first < _HOURLY else "day"
