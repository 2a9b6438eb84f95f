"""Requests of a period, grouped: what all questions of a report are asked of.

The events are read once. The groups are by the hour, so that they are few, however many the
requests are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vault.audit.report.declared_objects import Declared
from vault.audit.report.path_columns import engine_prefixes, select_paths
from vault.audit.report.period import Period

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Rows of an answer.
MAX_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of an answer."""

    rows: list[dict[str, Any]]
    left_out: int


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the rows of an answer. *number* is that of the page, from 1."""

    number: int
    size: int


#: The condition of what is in the period.
IN_PERIOD: Final = "time >= getvariable('since') AND time < getvariable('until')"
#: A login is a request that was to issue a token, other than one with a token.
_IS_LOGIN: Final = """
starts_with(path, 'auth/') AND NOT starts_with(path, 'auth/token/')
    AND (new_ttl IS NOT NULL OR regexp_matches(path, '/login(/|$)'))
"""
#: Who, from where, and what. Each group has one of each.
_KEYS: Final = (
    *("actor", "role", "username", "display_name", "entity_id", "host", "address"),
    *("operation", "path", "mount_type", "mount_point", "outcome", "version", "key_version"),
    *("is_wrapped", "is_login"),
)
#: Mount at which a token logged in, whose name begins with it. Only AppRole's may have a "-" in it.
METHOD: Final = """
CASE WHEN starts_with(display_name || '-', getvariable('approle') || '-')
    THEN getvariable('approle') ELSE split_part(display_name, '-', 1) END
"""
#: Name in an alias of a token, after its method.
ALIAS: Final = f"""
nullif(substr(display_name, length({METHOD}) + 2), '')
"""
#: Columns of a group, or SQL over them, that may name an actor.
ACTOR_NAMES: Final = (
    *("actor", "username", "display_name", "entity_id", "role", "host"),
    ALIAS,
)
#: With a token, only its requests. Each device has another HMAC of it, so that their ids are sought
#: in the lines of all devices.
_OF_ONE: Final = """
SEMI JOIN (
    SELECT request_id FROM lines
    LEFT JOIN names ON names.device = lines.device AND names.name = getvariable('token')
    WHERE coalesce(names.hash, getvariable('token')) IN (lines.accessor, lines.token)
) AS wanted ON wanted.request_id = events.request_id
"""
_PERIOD: Final = f"""
CREATE TEMP VIEW period_events AS
SELECT events.*, {_IS_LOGIN} AS is_login FROM events {{of_one}}
WHERE {IN_PERIOD}
    AND namespace = getvariable('namespace')
"""
_GROUPS: Final = f"""
CREATE TEMP TABLE groups AS
SELECT date_trunc('hour', CAST(time AS TIMESTAMP)) AS hour, {", ".join(_KEYS)},
    count(*) AS count, min(time) AS first, max(time) AS last
FROM period_events GROUP BY ALL
"""
#: The service of a path that is not declared: that of its folder, or of the beginning of its name.
#: A mount that is not the deployment's has nothing that is declared.
_ACTIVITY: Final = f"""
CREATE TEMP TABLE activity AS
WITH paths AS ({select_paths("groups")})
SELECT paths.*, declared.kind, declared.name,
    coalesce(declared.service, near.service) AS service,
    coalesce(declared.environment, near.environment) AS environment,
    actors.service AS actor_service
FROM paths
LEFT JOIN declared
    ON is_own AND declared.engine = paths.engine AND declared.server_name = object
LEFT JOIN LATERAL (
    SELECT arg_max(service, length(service)) AS service,
        arg_max(environment, length(service)) AS environment
    FROM scopes
    WHERE is_own AND (
        starts_with(object || '/', service || '/' || environment || '/')
        OR (paths.engine <> 'kv' AND starts_with(object || '-', prefix || '-'))
    )
) AS near ON true
LEFT JOIN (
    SELECT prefix AS role, service FROM scopes
    UNION ALL SELECT prefix || '-starter', service FROM scopes
) AS actors ON actors.role = paths.role
"""


def group_activity(
    connection: DuckDBPyConnection,
    declared: Declared,
    period: Period,
    namespace: str,
    token: str | None = None,
) -> None:
    """Create the view ``period_events`` and the table ``activity`` on *connection*.

    *token* is the HMAC of a token or of its accessor, or an accessor whose HMACs the store knows;
    None for all requests. *namespace* is empty for the root namespace.
    """
    connection.execute(
        "CREATE TEMP MACRO utc(moment) AS"
        " strftime(CAST(moment AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%gZ')"
    )
    for name, value in (
        ("since", period.since.replace(tzinfo=None)),
        ("until", period.until.replace(tzinfo=None)),
        ("namespace", namespace.strip("/")),
        ("token", token),
        ("approle", declared.mounts.approle.replace("/", "-")),
    ):
        connection.execute(f"SET VARIABLE {name} = ?", [value])
    _create_table(connection, "engines", ("engine", "prefix"), engine_prefixes(declared.mounts))
    scopes = [(each.service, str(each.environment), str(each)) for each in declared.scopes]
    _create_table(connection, "scopes", ("service", "environment", "prefix"), scopes)
    columns = ("engine", "server_name", "service", "environment", "kind", "name")
    objects = [tuple(str(getattr(each, column)) for column in columns) for each in declared.objects]
    _create_table(connection, "declared", columns, objects)
    of_one = "" if token is None else _OF_ONE
    for query in (_PERIOD.format(of_one=of_one), _GROUPS, _ACTIVITY):
        connection.execute(query)


def ask(
    connection: DuckDBPyConnection,
    query: str,
    parameters: Sequence[object] | Mapping[str, object] = (),
    page: Slice | None = None,
) -> Answer:
    """Return the rows of a query by column: the *page*, or the first :data:`MAX_ROWS`.

    A page after the last one is the last one.
    """
    page = page or Slice(1, MAX_ROWS)
    number = "(SELECT count(*) FROM found)"
    last = f"greatest({number} - 1, 0) // {page.size}"
    cursor = connection.execute(
        f"WITH found AS MATERIALIZED ({query}) SELECT *, {number} FROM found"
        f" LIMIT {page.size} OFFSET {page.size} * least({page.number - 1}, {last})",
        parameters,
    )
    names = [column[0] for column in cursor.description or ()][:-1]
    found = cursor.fetchall()
    total = found[0][-1] if found else 0
    rows = [dict(zip(names, row[:-1], strict=True)) for row in found]
    return Answer(rows, total - len(rows))


def count_where(condition: str) -> str:
    """Return SQL of the number of requests in a group of activity for which *condition* holds."""
    return f"CAST(coalesce(sum(count) FILTER ({condition}), 0) AS BIGINT)"


def list_distinct(value: str) -> str:
    """Return SQL of the sorted different values of an expression, without null."""
    return f"coalesce(list_sort(list(DISTINCT {value}) FILTER ({value} IS NOT NULL)), [])"


def _create_table(
    connection: DuckDBPyConnection,
    name: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> None:
    shape = ", ".join(f"{column} VARCHAR" for column in columns)
    connection.execute(f"CREATE TEMP TABLE {name} ({shape})")
    if rows:
        places = ", ".join("?" for _ in columns)
        connection.executemany(f"INSERT INTO {name} VALUES ({places})", [list(row) for row in rows])
