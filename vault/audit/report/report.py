"""The report as a document. Its keys do not change; times are in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from vault.audit.event_columns import NO_TOKEN
from vault.audit.ingest.index import Index
from vault.audit.report.access import (
    find_actors,
    find_changes,
    find_reads,
    find_refusals,
    find_services,
    find_tokenless,
)
from vault.audit.report.activity import ask, count_where, group_activity
from vault.audit.report.client_records import (
    find_overlaps,
    find_releases,
    find_unlogged,
    find_unrecorded,
    prepare_records,
)
from vault.audit.report.coverage import describe_logs, find_coverage
from vault.audit.report.declared_objects import Declared
from vault.audit.report.period import Period
from vault.audit.report.timeline import COUNTS, find_timeline
from vault.audit.report.tokens import find_churn, find_database_users, find_token_use
from vault.reconcile.server_time import format_time

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


LIMITS: Final = tuple(
    sentence.strip().replace("\n", " ")
    for sentence in """
A read proves that the server sent the value, not that it was used. A client that has it may
keep it and pass it on.

A decryption by Transit has no key version in the log, so that no log proves that an old version is
out of use. Count the stored ciphertexts instead.

What the SDK serves from its cache is in its access records only. What an agent delivers to a file,
and who reads that, is in no log.

The response of a wrapped request has no version, and the one who unwraps it is known by the
wrapping token only.

The name of a database user is an HMAC unless the mount shows it:
audit_non_hmac_response_keys=username.

Hosts of one AppRole are told apart by the metadata of their secret-ids, else by address. A proxy
has one address for all behind it, a Unix socket none.

The server logs no automatic rotation, no expiry of a lease or token, no request to sys/health, and
none before it is unsealed.

A missing line leaves no trace in a log. A time without a line may be one without a request.
""".strip().split("\n\n")
)


_OTHER_SERVICES: Final = """
DELETE FROM activity
WHERE service IS DISTINCT FROM $service AND actor_service IS DISTINCT FROM $service
"""
_QUESTIONS: Final = {
    "services": find_services,
    "reads": find_reads,
    "refusals": find_refusals,
    "database_users": find_database_users,
    "actors": find_actors,
    "tokens": find_token_use,
    "token_days": find_churn,
    "without_token": find_tokenless,
    "changes": find_changes,
}
_RECORD_QUESTIONS: Final = {
    "overlap": find_overlaps,
    "releases": find_releases,
    "unrecorded": find_unrecorded,
    "unlogged": find_unlogged,
}


def build_report(
    connection: DuckDBPyConnection,
    declared: Declared,
    period: Period,
    index: Index,
    *,
    service: str | None = None,
    namespace: str = "",
) -> dict[str, Any]:
    """Return the report about a period."""
    group_activity(connection, declared, period, namespace)
    if service is not None:
        connection.execute(_OTHER_SERVICES, {"service": service})
    prepare_records(connection, service)
    left_out: dict[str, int] = {}
    document = {
        "environment": declared.environment.value,
        "service": service,
        "since": format_time(period.since),
        "until": format_time(period.until),
        "coverage": find_coverage(connection) | {"logs": describe_logs(index)},
        "totals": _find_totals(connection),
        "timeline": find_timeline(connection),
        **_answer(_QUESTIONS, connection, left_out),
        "records": _answer(_RECORD_QUESTIONS, connection, left_out),
    }
    return {**document, "left_out": left_out, "limits": list(LIMITS)}


def _answer(
    questions: Mapping[str, Any], connection: DuckDBPyConnection, left_out: dict[str, int]
) -> dict[str, Any]:
    """Return the rows of each question, and note how many are left out."""
    answers = {name: question(connection) for name, question in questions.items()}
    left_out.update({name: each.left_out for name, each in answers.items() if each.left_out})
    return {name: each.rows for name, each in answers.items()}


def _find_totals(connection: DuckDBPyConnection) -> dict[str, Any]:
    (totals,) = ask(
        connection,
        f"""
        SELECT {count_where("true")} AS requests, {COUNTS},
            count(DISTINCT actor) FILTER (actor <> '{NO_TOKEN}') AS actors
        FROM activity
        """,
    ).rows
    return totals
