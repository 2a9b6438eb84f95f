"""Activity of a period in memory. Each view queries the part that its address names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from console.target.audit_logs.audit_store import Inputs, open_audit_store
from vault.audit.extra import import_extra
from vault.audit.report.activity import group_activity
from vault.audit.report.coverage import find_coverage
from vault.audit.report.period import Period
from vault.audit.report.version_reads import group_version_reads
from vault.reconcile.server_time import format_time

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Environments may share a server, and names are those of the one that is shown.
_OWN_NAMES: Final = """
UPDATE activity SET service = NULL, name = NULL
WHERE environment IS NOT NULL AND environment <> ?
"""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Activity:
    """Requests of a period, grouped by the hour.

    One thread at a time uses *connection*, which has the tables ``activity`` and ``version_reads``.
    """

    period: Period
    coverage: Mapping[str, Any]
    connection: DuckDBPyConnection
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: Callable[[DuckDBPyConnection], T]) -> T:
        """Return the answer to *question*."""
        with self._lock:
            return question(self.connection)

    def close(self) -> None:
        """End a question under way, and the threads, which would run until they are collected."""
        while not self._lock.acquire(timeout=0.05):
            self.connection.interrupt()  # again, because one between two statements ends neither
        self.connection.close()
        self._lock.release()


def read_activity(inputs: Inputs) -> Activity:
    """Ingest what is new in the logs, and return the activity of a period.

    The store is open during the call only, so that no other ingest waits for the page.
    """
    connection: DuckDBPyConnection = import_extra("duckdb").connect()
    try:
        with open_audit_store(inputs, connection) as audit:
            group_activity(connection, audit.declared, audit.period, audit.namespace)
            group_version_reads(connection)
            connection.execute(_OWN_NAMES, [str(audit.declared.environment)])
            coverage = {**find_coverage(connection), "logs": audit.describe_logs()}
            connection.execute("DROP TABLE groups")
    except BaseException:
        connection.close()
        raise
    since = format_time(audit.period.since)
    return Activity(audit.period, {"since": since, "coverage": coverage}, connection)
