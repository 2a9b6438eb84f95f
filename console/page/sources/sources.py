"""Sources of the page, built once from the options of the command."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Final, Generic, TypeVar

from app_integration.session.session import Session
from console.page.copied_commands import Commands, shorten
from console.page.sources.audit_activity import Activity, read_activity
from console.page.sources.audit_summary import AuditSummary, read_audit_summary
from console.page.sources.cached_source import CachedSource
from console.page.sources.leases import Leases, read_leases
from console.page.sources.ledger_rows import LedgerLogs, read_ledger_rows
from console.page.sources.read_threads import ReadThreads
from console.page.sources.rotation_states import RotationState, read_rotations
from console.page.sources.server_state import ServerState, read_server_state
from console.page.sources.service_policies import ServicePolicies, read_service_policies
from console.page.sources.value_history import ValueHistory, read_value_history
from console.target.audit_logs.audit_store import Inputs
from console.target.audit_logs.response_log import open_response_log
from console.target.environment_plan import build_readable_plan
from console.target.environment_rotations import build_context
from console.target.evidence_sources import EvidenceSources
from console.target.local_folder import local_root
from console.target.target import Target
from local.runtime_interface import Status
from local.services.config_state import ConfigState
from vault.declare.declaration import Declaration
from vault.prometheus.alertmanager import Alert, read_alerts
from vault.reconcile.planning.partial_plan import PartialPlan
from vault.rotation.inventory import Item
from vault.rotation.ledger.ledger import Row


@dataclass(frozen=True, slots=True)
class LocalState:
    """State of the local deployment."""

    parts: tuple[Status, ...]
    configs: Mapping[str, ConfigState]


def read_local_state(target: Target) -> LocalState:
    """Return the state of the local deployment."""
    started = target.local_deployment().started
    return LocalState(started.status(), started.read_config_states())


K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SourcePool(Generic[K, T]):
    """Sources by key, so that what two requests ask for is read once."""

    def __init__(self, build: Callable[[K], CachedSource[T]], most: int) -> None:
        """Build no source yet."""
        self._build = build
        self._most = most
        self._lock = threading.Lock()
        self._sources: dict[K, CachedSource[T]] = {}

    def get(self, key: K) -> CachedSource[T]:
        """Return the source of *key*."""
        with self._lock:
            found = self._sources.pop(key, None) or self._build(key)
            self._sources[key] = found
            if len(self._sources) > self._most:
                del self._sources[next(iter(self._sources))]
            return found

    def peek(self) -> list[T]:
        """Return what was read last of each source that has been read."""
        with self._lock:
            values = [each.peek().value for each in self._sources.values()]
        return [each for each in values if each is not None]


#: Period in which the page looks for anomalies.
ANOMALIES: Final = "1d"
_TTL: Final = {
    "declaration": timedelta(seconds=30),
    "server": timedelta(seconds=5),
    "local": timedelta(seconds=5),
    "ledger": timedelta(seconds=30),
    "leases": timedelta(seconds=15),
    "rotations": timedelta(seconds=15),
    "policies": timedelta(seconds=60),
    "audit": timedelta(seconds=30),
    "reads": timedelta(seconds=30),
    "history": timedelta(seconds=10),
    "plan": timedelta(minutes=2),
    "alerts": timedelta(seconds=5),
    "migrations": timedelta(seconds=15),
}
#: Periods and values that are kept, because a browser shows them.
_PERIODS: Final = 6
_HISTORIES: Final = 200
#: Most seconds that the end of the page waits for reads under way.
_READ_SECONDS: Final = 10.0
#: Returns the current time.
Clock = Callable[[], datetime]
#: Starts the function that it gets, in this or another thread.
Spawn = Callable[[Callable[[], None]], object]


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator has asked for."""

    targets: Sequence[Target]
    audit_logs: Sequence[Path]
    store: Path | None
    open_session: Callable[[Target], Session]
    alertmanager: str | None = None
    read_migrations: Callable[[Target], Mapping[str, list[str]]] | None = None


class EnvironmentSources:
    """Sources of one environment."""

    def __init__(self, target: Target, options: Options, clock: Clock, spawn: Spawn) -> None:
        self.environment = target.environment
        self.name = str(target.environment)
        self.is_local = target.is_local
        # Each read is of the files as they are then, so that the page needs no restart.
        self._reread = target.reread
        self._root = target.root
        self._options = options
        self._clock = clock
        self._spawn = spawn
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._evidence: EvidenceSources | None = None
        self._ledger_logs = LedgerLogs(
            lambda: open_response_log(target.reread(), options.audit_logs, options.store)
        )
        self._activities = SourcePool(self._build_activity, _PERIODS)
        self._histories = SourcePool(self._build_history, _HISTORIES)

    @cached_property
    def commands(self) -> Commands:
        """Return the commands about the environment."""
        options, here = self._options, Path.cwd()
        root = None if self._root == local_root() else shorten(self._root, here)
        logs = tuple(shorten(each, here) for each in options.audit_logs)
        store = options.store and shorten(options.store, here)
        return Commands(self.name, self.is_local, root, logs, store)

    @cached_property
    def declaration(self) -> CachedSource[Declaration]:
        """Return the source of the declaration."""
        return self._source("declaration", lambda: self._reread().declaration)

    @cached_property
    def server(self) -> CachedSource[ServerState]:
        """Return the source of the server's state."""
        return self._source("server", lambda: read_server_state(self._open()))

    @cached_property
    def ledger(self) -> CachedSource[tuple[Row, ...]]:
        """Return the source of the ages and due dates."""
        return self._source("ledger", self._read_ledger)

    @cached_property
    def leases(self) -> CachedSource[Leases]:
        """Return the source of the leases of database users."""
        return self._source("leases", self._read_leases)

    @cached_property
    def rotations(self) -> CachedSource[tuple[RotationState, ...]]:
        """Return the source of the rotations under way, and of the last ones."""
        return self._source("rotations", self._read_rotations)

    @cached_property
    def policies(self) -> CachedSource[ServicePolicies]:
        """Return the source of the policies of the services."""
        return self._source("policies", self._read_policies)

    @cached_property
    def audit(self) -> CachedSource[AuditSummary]:
        """Return the source of what the audit log says as a whole."""
        return self._source("audit", lambda: read_audit_summary(self.audit_inputs(ANOMALIES)))

    @cached_property
    def local(self) -> CachedSource[LocalState] | None:
        """Return the source of the local deployment's state, None if it is another's."""
        if not self.is_local:
            return None
        return self._source("local", lambda: read_local_state(self._reread()))

    @cached_property
    def plan(self) -> CachedSource[PartialPlan]:
        """Return the source of what differs between the server and the declaration."""
        return self._source("plan", lambda: build_readable_plan(self._reread(), self._open()))

    @cached_property
    def alerts(self) -> CachedSource[tuple[Alert, ...]] | None:
        """Return the source of the alerts, None if there is no Alertmanager."""
        url = self._options.alertmanager
        return None if url is None else self._source("alerts", partial(read_alerts, url, self.name))

    @cached_property
    def migrations(self) -> CachedSource[Mapping[str, list[str]]] | None:
        """Return the source of the status of migrations by name, None if no plan was named."""
        read = self._options.read_migrations
        return None if read is None else self._source("migrations", lambda: read(self._reread()))

    def activity(self, since: str, until: str = "") -> CachedSource[Activity]:
        """Return the source of who did what in a period.

        *since* is a duration such as ``30d``, or a time; an empty *until* is now.
        """
        return self._activities.get((since, until))

    def history(self, item: Item) -> CachedSource[ValueHistory]:
        """Return the source of the versions and the last rotation of *item*."""
        return self._histories.get(item)

    def audit_inputs(self, since: str, until: str | None = None) -> Inputs:
        """Return what a question to the store of audit lines reads."""
        options = self._options
        return Inputs(self._reread(), since, until, options.store, options.audit_logs, None)

    def close(self) -> None:
        """Revoke the token of the session, if there is one, and close what was read of the logs."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None
        for each in self._activities.peek():
            each.close()

    def _source(self, name: str, read: Callable[[], T]) -> CachedSource[T]:
        label = f"{self.name} {name}"
        return CachedSource(label, read, _TTL[name], self._clock, self._spawn)

    def _build_activity(self, period: tuple[str, str]) -> CachedSource[Activity]:
        since, until = period
        return self._source("reads", lambda: read_activity(self.audit_inputs(since, until or None)))

    def _build_history(self, item: Item) -> CachedSource[ValueHistory]:
        def read() -> ValueHistory:
            declared = self._reread().declared
            return read_value_history(self._open(), declared, item, self._clock())

        return self._source("history", read)

    def _open(self) -> Session:
        with self._lock:
            if self._session is None:
                self._session = self._options.open_session(self._reread())
            return self._session

    def _read_ledger(self) -> tuple[Row, ...]:
        declaration = self._reread().declaration
        session, now = self._open(), self._clock()
        return read_ledger_rows(session, declaration, self.environment, self._ledger_logs, now)

    def _read_leases(self) -> Leases:
        return read_leases(self._open(), self._reread().declaration, self.environment)

    def _read_rotations(self) -> tuple[RotationState, ...]:
        target, options = self._reread(), self._options
        # It stays, so that a further read goes on where the last one has ended in the logs.
        evidence = self._evidence or EvidenceSources(target, options.audit_logs, options.store)
        evidence.target = target
        self._evidence = evidence
        context = build_context(evidence, self._open())
        return read_rotations(replace(context, clock=self._clock))

    def _read_policies(self) -> ServicePolicies:
        return read_service_policies(self._open(), self._reread().declaration, self.environment)


#: Name of an environment → its sources, in the order of the command line.
Sources = Mapping[str, EnvironmentSources]


@contextmanager
def open_sources(options: Options, clock: Clock, spawn: Spawn | None = None) -> Iterator[Sources]:
    """Yield the sources of each environment. Afterwards wait for reads, and revoke the tokens."""
    threads = ReadThreads()
    found = {
        str(each.environment): EnvironmentSources(each, options, clock, spawn or threads.spawn)
        for each in options.targets
    }
    try:
        yield found
    finally:
        threads.wait(_READ_SECONDS)
        for each in found.values():
            each.close()
