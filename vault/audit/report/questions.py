"""Questions about one secret or one actor, each answered by a document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from vault.audit.report.access import SEEN, VERSIONS
from vault.audit.report.activity import ACTOR_NAMES, Answer, ask, group_activity, list_distinct
from vault.audit.report.client_records import prepare_records
from vault.audit.report.coverage import find_coverage
from vault.audit.report.declared_objects import Declared, DeclaredObject
from vault.audit.report.period import Period
from vault.audit.report.version_reads import find_last_versions, group_version_reads
from vault.declare.errors import hint_names, suggest
from vault.reconcile.server_time import format_time

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_HMAC: Final = "hmac-"
_NAMES: Final = ", ".join(ACTOR_NAMES)
#: Most names that are searched for a similar one.
_MAX_NAMES: Final = 10_000
#: Reads of one declared name.
_READS_OF_ONE: Final = f"""
SELECT kind, action AS operation, outcome, actor, host, address, {SEEN}, {VERSIONS}
FROM activity
WHERE service = ? AND environment = ? AND name = ? AND category = 'read'
GROUP BY kind, action, outcome, actor, host, address
ORDER BY max(last) DESC, actor, host, address, action, outcome
"""
#: Processes that the SDK released one secret to.
_PROCESSES: Final = f"""
SELECT host, pid, operation, outcome, CAST(sum(accesses) AS BIGINT) AS count,
    utc(min(time)) AS first, utc(max(time)) AS last,
    {list_distinct("version")} AS versions
FROM period_records WHERE service = ? AND environment = ? AND secret = ?
GROUP BY host, pid, operation, outcome
ORDER BY max(time) DESC, host, pid, operation, outcome
"""
#: All that is left of the activity, changes first.
_ACTIONS: Final = f"""
SELECT category, outcome, environment, service, name, operation, path, actor, host, address,
    {SEEN}, {VERSIONS}
FROM activity
GROUP BY category, outcome, environment, service, name, operation, path, actor, host,
    address
ORDER BY array_position(['change', 'read', 'token', 'login', 'other'], category),
    max(last) DESC, path, operation, outcome, actor, host, address
"""


def find_objects(declared: Declared, scope: Scope, name: str) -> tuple[DeclaredObject, ...]:
    """Return what a name in a service's file is on the server: a secret, key or database role."""
    own = declared.of_service(scope.service)
    found = tuple(each for each in own if each.name == name)
    if not found:
        names = {each.name for each in own}
        raise ConfigurationError(
            f"{scope.service} has no secret, key or database role {name!r} in "
            f"{scope.environment}{hint_names(name, sorted(names))}"
        )
    return found


def answer_who(
    connection: DuckDBPyConnection, declared: Declared, period: Period, scope: Scope, name: str
) -> dict[str, Any]:
    """Return who read a secret or used a key, and which processes the SDK released it to."""
    find_objects(declared, scope, name)
    where = [scope.service, str(scope.environment), name]
    reads = ask(connection, _READS_OF_ONE, where)
    prepare_records(connection, scope.service)
    processes = ask(connection, _PROCESSES, where)
    head = _head(connection, declared, period) | {"service": scope.service, "name": name}
    return head | _tables(reads=reads, processes=processes)


def answer_version(
    connection: DuckDBPyConnection,
    declared: Declared,
    period: Period,
    scope: Scope,
    name: str,
    current: int | None,
) -> dict[str, Any]:
    """Return which version each reader of a secret got last, or a key encrypted with last.

    Tokens of one reader with the same last version are counted together.
    """
    objects = find_objects(declared, scope, name)
    if all(each.kind == "database-role" for each in objects):
        raise ConfigurationError(
            f"{name!r} is a database role of {scope.service}, and each lease has a user of its own "
            "in place of a version; use `strongroom audit who`"
        )
    where = (scope.service, str(scope.environment), name)
    group_version_reads(connection)
    readers = find_last_versions(connection, *where)
    newest = max((each["version"] for each in readers.rows), default=None)
    known = current if current is not None else newest
    head = _head(connection, declared, period) | {"service": scope.service, "name": name}
    return head | {
        "current": known,
        "current_by": None if known is None else "server" if current is not None else "log",
        **_tables(readers=readers),
        "readers": [each | {"is_current": each["version"] == known} for each in readers.rows],
    }


def answer_what(
    connection: DuckDBPyConnection,
    declared: Declared,
    period: Period,
    namespace: str,
    actor: str,
) -> dict[str, Any]:
    """Return all that an actor did.

    *actor* is a role, person, alias, entity or host, the HMAC of a token or of its accessor, or an
    accessor whose HMACs the store knows.
    """
    is_known = connection.execute("SELECT 1 FROM names WHERE name = ?", [actor]).fetchall()
    token = actor if is_known or actor.startswith(_HMAC) else None
    group_activity(connection, declared, period, namespace, token)
    if token is None:
        _keep_actor(connection, actor)
    elif not connection.execute("SELECT 1 FROM activity LIMIT 1").fetchall():
        raise ConfigurationError(
            f"no request in the log has the token or accessor {actor!r}; check which device it is "
            "of, and the period"
        )
    actions = ask(connection, _ACTIONS)
    return _head(connection, declared, period) | {"actor": actor} | _tables(actions=actions)


def _keep_actor(connection: DuckDBPyConnection, actor: str) -> None:
    """Keep the activity of an actor only."""
    names = _actor_names(connection)
    is_actor = f"list_contains([{_NAMES}], $actor)"
    connection.execute(f"DELETE FROM activity WHERE NOT {is_actor}", {"actor": actor})
    if not connection.execute("SELECT 1 FROM activity LIMIT 1").fetchall():
        raise ConfigurationError(
            f"no request in the log is of {actor!r}{_hint(actor, names)}; "
            "list who sent requests with `strongroom audit report`"
        )


def _actor_names(connection: DuckDBPyConnection) -> set[str]:
    rows = connection.execute(
        f"SELECT DISTINCT unnest([{_NAMES}]) FROM activity LIMIT {_MAX_NAMES}"
    ).fetchall()
    return {name for (name,) in rows if name is not None}


def _tables(**answers: Answer) -> dict[str, Any]:
    """Return the rows of answers by name, and how many are left out."""
    left_out = {name: each.left_out for name, each in answers.items() if each.left_out}
    return {name: each.rows for name, each in answers.items()} | {"left_out": left_out}


def _hint(name: str, known: Iterable[str]) -> str:
    near = suggest(name, known)
    return f" (did you mean {near!r}?)" if near else ""


def _head(connection: DuckDBPyConnection, declared: Declared, period: Period) -> dict[str, Any]:
    return {
        "environment": declared.environment.value,
        "since": format_time(period.since),
        "until": format_time(period.until),
        "coverage": find_coverage(connection),
    }
