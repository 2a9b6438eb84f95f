"""Table of the requests that rules look at, each of them once, with what the rules ask about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from vault.audit.anomalies.patterns import build_expression
from vault.audit.anomalies.queries import LOGIN, RuleContext
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


def find_last_logins(connection: DuckDBPyConnection) -> dict[str, datetime]:
    """Return the time of the last login of each role, in UTC, without a zone."""
    rows = connection.execute(f"""
        SELECT role, max(time) FROM requests
        WHERE {LOGIN} AND outcome = 'ok' AND role IS NOT NULL
        GROUP BY role
    """).fetchall()
    return dict(rows)


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
                {_VALUE} AS is_value
            FROM events
            WHERE namespace = {quote(context.namespace)} AND time IS NOT NULL AND path IS NOT NULL
        )
    """
