"""Table of the requests that rules look at, each of them once, with what the rules ask about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from app_integration.names import AGENT_ISSUED
from vault.audit.anomalies.patterns import build_expression
from vault.audit.anomalies.queries import RuleContext
from vault.audit.event_columns import NO_TOKEN, SERVER_FAULT
from vault.audit.store import quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Requests for a value, a key or a database user. The others are about the server itself.
_VALUE: Final = "NOT regexp_matches(path, '^(sys|auth|identity|cubbyhole)/')"
#: A token that only opens something wrapped has no history.
_WRAPPING: Final = "list_contains(policies, 'response-wrapping')"


@dataclass(frozen=True, slots=True)
class Span:
    """Time over which the requests reach."""

    first: datetime | None
    last: datetime | None
    count: int


def create_requests(connection: DuckDBPyConnection, context: RuleContext) -> Span:
    """Create the table ``requests``, and return the time over which it reaches.

    It is a table, because each pass over the lines would compare the devices again.
    """
    connection.execute(_sql(context))
    row = connection.execute("SELECT min(time), max(time), count(*) FROM requests").fetchone()
    return Span(*row) if row else Span(None, None, 0)


def find_last_reads(connection: DuckDBPyConnection) -> dict[tuple[str, bool], datetime]:
    """Return the time of the last value that each role has read, in UTC, without a zone.

    The keys are a role and whether an agent read, as the name of its secret-id says. A login alone
    is no read, because one that delivers nothing logs in, too.
    """
    rows = connection.execute("""
        SELECT role, is_agent, max(time) FROM requests
        WHERE is_value AND operation = 'read' AND outcome = 'ok' AND role IS NOT NULL
        GROUP BY role, is_agent
    """).fetchall()
    return {(role, is_agent): time for role, is_agent, time in rows}


def _sql(context: RuleContext) -> str:
    rules = context.rules
    people = quote(build_expression(rules.people))
    glass = quote(build_expression(rules.rules.break_glass.policies, context.names))
    is_person = f"username IS NOT NULL OR regexp_full_match(coalesce(display_name, ''), {people})"
    return f"""
        CREATE OR REPLACE TEMP TABLE requests AS
        SELECT *, CASE WHEN NOT is_person THEN role_name END AS role,
            has_token AND NOT is_root AND NOT is_wrapping AS has_history
        FROM (
            SELECT CAST(time AS TIMESTAMP) AS time, request_id, actor, host, address, operation,
                path, outcome, role AS role_name, {SERVER_FAULT} AS is_fault,
                coalesce({is_person}, false) AS is_person,
                actor <> '{NO_TOKEN}' AS has_token,
                coalesce({_WRAPPING}, false) AS is_wrapping,
                coalesce(list_contains(policies, 'root'), false) AS is_root,
                len(list_filter(coalesce(policies, []),
                    lambda each: regexp_full_match(each, {glass}))) > 0 AS is_break_glass,
                {_VALUE} AS is_value, coalesce(issued = {quote(AGENT_ISSUED)}, false) AS is_agent
            FROM events
            WHERE namespace = {quote(context.namespace)} AND time IS NOT NULL AND path IS NOT NULL
        )
    """
