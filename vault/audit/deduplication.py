"""Deduplication of lines: each request counts once, though several logs contain it."""

from __future__ import annotations

from typing import Final

from vault.audit.event_columns import ACTOR, OUTCOME

#: A standby's line of a request that it passed to the leader, which logs the outcome. One of some
#: logins names the reason by an HMAC only; a wrong credential of theirs has another error.
_PASSED_ON: Final = """
coalesce(error LIKE '%cannot write to readonly storage%' OR (
    error = 'invalid request' AND data_error AND regexp_matches(path, '/login(/|$)')
    AND mount_type IN ('approle', 'userpass', 'jwt', 'cert', 'kubernetes')
), false)
"""

#: Each device has a line for each request. One with no id, which is malformed, stays. Only the ids
#: of repeated lines are kept in memory; a window function would keep whole lines.
EVENTS: Final = f"""
CREATE VIEW events AS
SELECT lines.*, {OUTCOME} AS outcome, {ACTOR} AS actor
FROM lines ANTI JOIN (
    SELECT request_id, min(line) AS first FROM lines
    WHERE type = 'response' AND request_id IS NOT NULL
    GROUP BY request_id HAVING count(*) > 1
) AS repeated ON repeated.request_id = lines.request_id AND repeated.first <> lines.line
WHERE type = 'response' AND NOT {_PASSED_ON}
"""
