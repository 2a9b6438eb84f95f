"""Services of an environment, with what is known of their agents without a login to a host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app_integration.names import Scope
from console.page.sources.audit_summary import AuditSummary
from console.page.sources.cached_source import Reading
from console.page.sources.server_state import ServerState
from console.page.sources.sources import LocalState
from console.page.urls import build_url
from console.page.views.due import Due
from console.views.cells import BAD, GOOD, PLAIN, UNKNOWN, WARN, Badge, Cell, Link, Note
from console.views.table import Table, columns
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


def build_service_table(name: str, readings: Readings, rows: Sequence[tuple[Row, Due]]) -> Table:
    """Return a row for each service of an environment, none if the declaration was not read."""
    declaration = readings.declaration.value
    scopes = () if declaration is None else declaration.scopes(name)
    found = [_service(scope, declaration, readings, rows) for scope in scopes if declaration]
    return Table(f"Services of {name}", _COLUMNS, found)


def _service(
    scope: Scope, declaration: Declaration, readings: Readings, rows: Sequence[tuple[Row, Due]]
) -> tuple[Cell, ...]:
    own = [due for row, due in rows if row.item.service == scope.service]
    is_known = readings.ledger.value is not None
    configs = readings.local.value.configs if readings.local and readings.local.value else {}
    config = configs.get(scope.service)
    logins = readings.audit.value.logins if readings.audit.value else {}
    roles = (*declaration.roles(scope), scope.starter)
    seen = max((time for role in roles if (time := logins.get(role))), default=None)
    numbers = (str(len(own)), _count(own, Due.OVERDUE, BAD), _count(own, Due.SOON, WARN))
    return (
        Link(scope.service, build_url("/values", env=scope.environment, service=scope.service)),
        declaration.service(scope.service).owner,
        *(numbers if is_known else (UNKNOWN,) * len(numbers)),
        _with_time(_agent(readings.local, config, seen), "login", seen),
        Note("see its host")
        if config is None
        else _with_time(_config(config), "since", config.since),
    )


def _count(dues: Sequence[Due], due: Due, tone: str) -> Cell:
    count = dues.count(due)
    return Note(str(count), tone) if count else "0"


def _with_time(badge: Badge, what: str, time: datetime | None) -> Cell:
    return badge if time is None else (badge, Note((what, time)))


def _agent(
    local: Reading[LocalState] | None, config: ConfigState | None, seen: datetime | None
) -> Badge:
    """Return what is known of an agent without a login to its host."""
    parts = local.value.parts if local and local.value else ()
    states = [part.running for part in parts if part.name == AGENT]
    if states:
        if config is None:
            return Badge("none, without a config", PLAIN)
        runs = all(states) and config.problem is None
        return Badge("runs", GOOD) if runs else Badge("does not run", BAD)
    return Badge("no login in the log", PLAIN) if seen is None else Badge("logged in", PLAIN)


def _config(config: ConfigState) -> Badge:
    if config.problem is not None:
        return Badge(config.problem, BAD)
    if config.last is None:
        return Badge("not delivered yet", WARN)
    return Badge(config.last.state.value, GOOD if config.last.state.is_live else WARN)
