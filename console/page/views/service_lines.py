"""Services of an environment, with what is known of their agents without a login to a host."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from app_integration.names import Scope
from console.page.sources.audit_summary import AuditSummary
from console.page.sources.cached_source import Reading
from console.page.sources.server_state import ServerState
from console.page.sources.sources import LocalState
from console.page.urls import Filter, build_url
from console.page.views.due import Due
from console.views.cells import BAD, GOOD, PLAIN, UNKNOWN, WARN, Badge, Cell, Link, Note
from console.views.table import Pages, Table, columns
from local.processes.agent_supervisor import AGENT
from local.services.config_state import ConfigState
from vault.declare.declaration import Declaration
from vault.prometheus.alertmanager import Alert
from vault.reconcile.planning.partial_plan import PartialPlan
from vault.rotation.ledger.ledger import Row


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read of one environment."""

    declaration: Reading[Declaration]
    server: Reading[ServerState]
    ledger: Reading[tuple[Row, ...]]
    audit: Reading[AuditSummary]
    local: Reading[LocalState] | None
    plan: Reading[PartialPlan]
    alerts: Reading[tuple[Alert, ...]] | None = None


_COLUMNS: Final = columns(
    "name Service, text Owner, number Values, number Overdue, number Due within 7 days, "
    "state Agent, state Config"
)
#: Services of a page.
PAGE: Final = 25
#: States of values that services can be filtered by.
STATES: Final = (Due.OVERDUE, Due.SOON, Due.NO_VALUE, Due.NOT_ISSUED)


@dataclass(frozen=True, slots=True)
class ServicesFilter(Filter):
    """What the address asks for; each part is empty if it does not matter."""

    path: ClassVar[str] = "/"
    text: str = ""
    state: str = ""
    page: int = 1

    @property
    def is_narrow(self) -> bool:
        """Return whether it asks for less than all services."""
        return bool(self.text or self.state)


def build_service_table(
    name: str, readings: Readings, rows: Iterable[tuple[Row, Due]], asked: ServicesFilter
) -> Table:
    """Return a page of the services that fit, none if the declaration was not read."""
    declaration, dues = readings.declaration.value, _count_dues(rows)
    if declaration is None:
        return Table(f"Services of {name}", _COLUMNS, ())
    fits = [
        scope
        for scope in declaration.scopes(name)
        if _fits(declaration.service(scope.service).owner, scope, dues[scope.service], asked)
    ]
    pages = Pages(asked.page, len(fits), lambda number: asked.url(name, page=number), PAGE)
    found = [
        _service(scope, declaration, readings, dues[scope.service]) for scope in pages.cut(fits)
    ]
    return Table(f"Services of {name}", _COLUMNS, found, pages=pages)


def _count_dues(rows: Iterable[tuple[Row, Due]]) -> Mapping[str, Counter[Due]]:
    """Return how many values of each service are in which state."""
    found: defaultdict[str, Counter[Due]] = defaultdict(Counter)
    for row, due in rows:
        if row.item.service is not None:
            found[row.item.service][due] += 1
    return found


def _fits(owner: str, scope: Scope, dues: Counter[Due], asked: ServicesFilter) -> bool:
    text = asked.text.lower()
    is_named = text in scope.service.lower() or text in owner.lower()
    return is_named and (not asked.state or dues[Due(asked.state)] > 0)


def _service(
    scope: Scope, declaration: Declaration, readings: Readings, dues: Counter[Due]
) -> tuple[Cell, ...]:
    is_known = readings.ledger.value is not None
    configs = readings.local.value.configs if readings.local and readings.local.value else {}
    config = configs.get(scope.service)
    numbers = (dues.total(), _count(dues[Due.OVERDUE], BAD), _count(dues[Due.SOON], WARN))
    return (
        Link(scope.service, build_url("/values", env=scope.environment, service=scope.service)),
        declaration.service(scope.service).owner,
        *(numbers if is_known else (UNKNOWN,) * len(numbers)),
        _agent(readings, config, declaration.roles(scope)),
        Note("see its host")
        if config is None
        else _with_time(_config(config), "since", config.since),
    )


def _count(count: int, tone: str) -> Cell:
    return Note(count, tone) if count else count


def _with_time(badge: Badge, what: str, time: datetime | None) -> Cell:
    return badge if time is None else (badge, Note((what, time)))


def _agent(readings: Readings, config: ConfigState | None, roles: Iterable[str]) -> Cell:
    """Return what is known of an agent without a login to its host."""
    parts = readings.local.value.parts if readings.local and readings.local.value else ()
    states = [part.running for part in parts if part.name == AGENT]
    return _run_state(config, all(states)) if states else _last_read(readings, roles)


def _run_state(config: ConfigState | None, runs: bool) -> Badge:
    """Return the state of an agent of the local deployment, which must have delivered to be one."""
    if config is None:
        return Badge("none, without a config", PLAIN)
    if not runs or config.problem is not None:
        return Badge("does not run", BAD)
    has_delivered = config.last is not None and config.since is not None
    return Badge("runs", GOOD) if has_delivered else Badge("has delivered nothing", WARN)


def _last_read(readings: Readings, roles: Iterable[str]) -> Cell:
    """Return who has read a value with one of *roles*, where an agent is known by its name."""
    reads = readings.audit.value.reads if readings.audit.value else {}
    names = {True: "agent has read", False: "agent or application has read"}
    for is_agent, text in names.items():
        times = [time for role in roles if (time := reads.get((role, is_agent)))]
        if times:
            return Badge(text, PLAIN), Note(max(times))
    return Badge("no read in the log", PLAIN)


def _config(config: ConfigState) -> Badge:
    if config.problem is not None:
        return Badge(config.problem, BAD)
    if config.last is None:
        return Badge("not delivered yet", WARN)
    return Badge(config.last.state.value, GOOD if config.last.state.is_live else WARN)
