"""Reads of a version, by token: who still has which version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vault.audit.report.activity import Answer, ask

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLE: Final = """
CREATE TEMP TABLE version_reads AS
SELECT path, actor, host, address, coalesce(accessor, token) AS token,
    coalesce(version, key_version) AS version, max(time) AS time, count(*) AS count
FROM period_events
WHERE outcome = 'ok' AND coalesce(version, key_version) IS NOT NULL
GROUP BY ALL
"""
#: The last version of each token of a reader, tokens with the same one together.
_LAST_VERSIONS: Final = """
WITH versions AS (
    SELECT actor, host, address, token, arg_max(version, time) AS version, max(time) AS last,
        sum(count) AS count
    FROM version_reads
    JOIN (
        SELECT DISTINCT path FROM activity
        WHERE service = ? AND environment = ? AND name = ? AND category = 'read'
    ) USING (path)
    GROUP BY ALL
)
SELECT version, actor, host, address, count(*) AS tokens,
    CAST(sum(count) AS BIGINT) AS count, utc(max(last)) AS last
FROM versions GROUP BY version, actor, host, address
ORDER BY version DESC, max(last) DESC, actor, host, address
"""


def group_version_reads(connection: DuckDBPyConnection) -> None:
    """Create the table ``version_reads`` on *connection*, which has the table ``activity``."""
    connection.execute(_TABLE)


def find_last_versions(
    connection: DuckDBPyConnection, service: str, environment: str, name: str
) -> Answer:
    """Return which version each reader of a secret got last, or a key encrypted with last.

    Tokens of one reader with the same last version are counted together.
    """
    return ask(connection, _LAST_VERSIONS, [service, environment, name])
