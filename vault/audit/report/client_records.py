"""What the SDK's access records add to the server's log: the process, and what its cache served.

Both are compared over the time that both cover, for each service that has records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vault.audit.report.activity import IN_PERIOD, Answer, ask, list_distinct

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Records of the period. Those without ``count`` are of one access.
_RECORDS: Final = f"""
SELECT *, coalesce(count, 1) AS accesses FROM records
WHERE {IN_PERIOD}
"""
#: Service → the time that its records and the server's log both cover.
_OVERLAP: Final = """
SELECT service, environment, greatest(min(time), any_value(log.first)) AS first,
    least(max(time), any_value(log.last)) AS last
FROM period_records CROSS JOIN (
    SELECT min(first)::TIMESTAMP AS first, max(last)::TIMESTAMP AS last FROM groups
) AS log
GROUP BY service, environment
"""


def prepare_records(connection: DuckDBPyConnection, service: str | None) -> None:
    """Create the tables ``period_records`` and ``shared_times`` on *connection*."""
    only = "" if service is None else "AND service = ?"
    parameters = [] if service is None else [service]
    connection.execute(f"CREATE TEMP TABLE period_records AS {_RECORDS} {only}", parameters)
    connection.execute(f"CREATE TEMP TABLE shared_times AS {_OVERLAP}")


def find_releases(connection: DuckDBPyConnection) -> Answer:
    """Return which processes released which secret, from the server or from their cache."""
    return ask(
        connection,
        f"""
        SELECT service, environment, secret, operation, outcome, host, pid,
            CAST(sum(accesses) AS BIGINT) AS count, utc(min(time)) AS first, utc(max(time)) AS last,
            {list_distinct("version")} AS versions
        FROM period_records
        GROUP BY service, environment, secret, operation, outcome, host, pid
        ORDER BY service, environment, secret, operation, outcome, host, pid
        """,
    )


def find_overlaps(connection: DuckDBPyConnection) -> Answer:
    """Return the time for which each service's records can be compared with the server's log."""
    return ask(
        connection,
        """
        SELECT service, environment, utc(first) AS first, utc(last) AS last
        FROM shared_times WHERE first <= last ORDER BY service, environment
        """,
    )


def find_unrecorded(connection: DuckDBPyConnection) -> Answer:
    """Return reads in the server's log, by the role of a service, that no record names.

    An agent reads so, and any other program with the service's credential. The time of a record is
    cut to milliseconds, so that the request before it may be later by less than one.
    """
    return ask(
        connection,
        """
        WITH secrets AS (
            SELECT DISTINCT path, name, service, environment FROM activity
            WHERE engine = 'kv' AND category = 'read' AND outcome = 'ok' AND service IS NOT NULL
        )
        SELECT secrets.service, secrets.environment, secrets.name, path, actor, host, address,
            count(*) AS count, utc(min(events.time)) AS first, utc(max(events.time)) AS last
        FROM period_events AS events JOIN secrets USING (path)
        JOIN shared_times ON shared_times.service = secrets.service
            AND shared_times.environment = secrets.environment
            AND CAST(events.time AS TIMESTAMP)
                BETWEEN shared_times.first AND shared_times.last + INTERVAL 1 MILLISECOND
        ANTI JOIN records ON records.request_id = events.request_id
        WHERE operation = 'read' AND outcome = 'ok'
            AND role = secrets.service || '-' || secrets.environment
        GROUP BY ALL ORDER BY secrets.service, secrets.environment, path, actor, host, address
        """,
    )


def find_unlogged(connection: DuckDBPyConnection) -> Answer:
    """Return fetches that a record names and the server's log has not."""
    return ask(
        connection,
        """
        SELECT service, environment, secret, period_records.host, pid,
            CAST(period_records.request_id AS VARCHAR) AS request_id,
            utc(period_records.time) AS time
        FROM period_records JOIN shared_times USING (service, environment)
        ANTI JOIN lines ON lines.request_id = period_records.request_id
        WHERE outcome = 'miss' AND period_records.request_id IS NOT NULL
            AND period_records.time BETWEEN shared_times.first AND shared_times.last
        ORDER BY period_records.time, service, secret
        """,
    )
