"""Who read and changed what, who was refused, and who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vault.audit.event_columns import NO_TOKEN
from vault.audit.report.activity import (
    ALIAS,
    METHOD,
    Answer,
    Slice,
    ask,
    count_where,
    list_distinct,
)
from vault.audit.report.activity_filter import ActivityFilter

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SEEN: Final = """
CAST(sum(count) AS BIGINT) AS count, utc(min(first)) AS first, utc(max(last)) AS last
"""
VERSIONS: Final = f"{list_distinct('coalesce(version, key_version)')} AS versions"
_WHERE: Final = "environment, service, kind, name, path"
_WHO: Final = "actor, host, address"
#: Auth methods of people. The name of a token begins with that of its method.
_PEOPLE: Final = ("userpass", "oidc", "ldap", "github", "okta", "radius", "kerberos")


def find_reads(connection: DuckDBPyConnection) -> Answer:
    """Return who read which value or used which key, when, from where, and which versions."""
    return ask(
        connection,
        f"""
        SELECT {_WHERE}, action AS operation, {_WHO}, {SEEN}, {VERSIONS},
            {count_where("is_wrapped")} AS wrapped
        FROM activity WHERE category = 'read' AND outcome = 'ok'
        GROUP BY {_WHERE}, action, {_WHO}
        ORDER BY service NULLS LAST, environment, kind, name, path, max(last) DESC, actor, host,
            address, action
        """,
    )


def find_accesses(connection: DuckDBPyConnection, asked: ActivityFilter, page: Slice) -> Answer:
    """Return who did what, from where, with which outcome and versions, the latest first."""
    condition, values = asked.build_condition()
    query = f"""
        SELECT {_WHERE}, category, action AS operation, outcome, {_WHO}, {SEEN}, {VERSIONS}
        FROM activity WHERE {condition}
        GROUP BY {_WHERE}, category, action, outcome, {_WHO}
        ORDER BY max(last) DESC, path, actor, host, address, action, outcome
    """
    return ask(connection, query, values, page)


def find_most(
    connection: DuckDBPyConnection, asked: ActivityFilter, column: str, most: int
) -> Answer:
    """Return the values of a column with most requests: an actor, an address or a path."""
    condition, values = asked.build_condition()
    columns = "path, service, name" if column == "path" else column
    query = f"""
        SELECT {columns}, CAST(sum(count) AS BIGINT) AS count FROM activity
        WHERE {condition} AND {column} IS NOT NULL
        GROUP BY {columns} ORDER BY sum(count) DESC, {column}
    """
    return ask(connection, query, values, Slice(1, most))


def find_refusals(connection: DuckDBPyConnection) -> Answer:
    """Return the requests that did not succeed: denied, failed, or for what does not exist."""
    return ask(
        connection,
        f"""
        SELECT outcome, environment, service, operation, path, {_WHO}, {SEEN}
        FROM activity WHERE outcome <> 'ok'
        GROUP BY outcome, environment, service, operation, path, {_WHO}
        ORDER BY array_position(['denied', 'failed', 'absent'], outcome), sum(count) DESC,
            max(last) DESC, path, operation, actor, host, address
        """,
    )


def find_services(connection: DuckDBPyConnection) -> Answer:
    """Return one row for each service and environment, one with no service for all other paths."""
    return ask(
        connection,
        f"""
        SELECT environment, service,
            {count_where("category = 'read' AND outcome = 'ok'")} AS reads,
            count(DISTINCT path) FILTER (category = 'read' AND outcome = 'ok') AS objects,
            count(DISTINCT actor) FILTER (category = 'read' AND outcome = 'ok') AS readers,
            {count_where("category = 'change' AND outcome = 'ok'")} AS changes,
            {count_where("outcome = 'denied'")} AS denied,
            {count_where("outcome = 'failed'")} AS failed,
            {count_where("outcome = 'absent'")} AS absent,
            CAST(sum(count) AS BIGINT) AS requests
        FROM activity GROUP BY environment, service
        ORDER BY service NULLS LAST, environment
        """,
    )


def find_changes(connection: DuckDBPyConnection) -> Answer:
    """Return who changed what: secrets, keys, policies, roles, mounts, and the server itself."""
    return ask(
        connection,
        f"""
        SELECT subject, environment, service, name, operation, path, {_WHO}, {SEEN}
        FROM activity WHERE category = 'change' AND outcome = 'ok'
        GROUP BY subject, environment, service, name, operation, path, {_WHO}
        ORDER BY max(last) DESC, subject, path, operation, actor, host, address
        """,
    )


def find_tokenless(connection: DuckDBPyConnection) -> Answer:
    """Return the requests without a valid token, logins that failed among them."""
    return ask(
        connection,
        f"""
        SELECT operation, path, address, outcome, is_login AS login, {SEEN}
        FROM activity WHERE actor = ?
        GROUP BY operation, path, address, outcome, is_login
        ORDER BY sum(count) DESC, max(last) DESC, path, operation, address, outcome
        """,
        [NO_TOKEN],
    )


def find_actors(connection: DuckDBPyConnection) -> Answer:
    """Return who sent requests: programs and people, the person behind an alias among them."""
    methods = ", ".join(f"'{method}'" for method in _PEOPLE)
    return ask(
        connection,
        f"""
        SELECT actor, bool_or(username IS NOT NULL OR method IN ({methods})) AS person,
            {list_distinct("method")} AS methods, {list_distinct("alias")} AS aliases,
            {list_distinct("entity_id")} AS entities, {list_distinct("role")} AS roles,
            {list_distinct("host")} AS hosts, {list_distinct("address")} AS addresses,
            {count_where("category = 'read' AND outcome = 'ok'")} AS reads,
            {count_where("outcome = 'denied'")} AS denied,
            {SEEN}
        FROM (
            SELECT *, nullif({METHOD}, '') AS method,
                {ALIAS} AS alias
            FROM activity WHERE actor <> ?
        )
        GROUP BY actor ORDER BY person DESC, sum(count) DESC, actor
        """,
        [NO_TOKEN],
    )
