"""View of all environments at a glance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from console.page.page_request import PageRequest
from console.page.sources.audit_summary import AuditSummary
from console.page.sources.cached_source import CachedSource, Reading
from console.page.sources.server_state import ServerState
from console.page.sources.sources import EnvironmentSources
from console.page.urls import build_url
from console.page.views.alerts import count_firing, find_tone
from console.page.views.anomalies import SEVERITIES
from console.page.views.due import Due, find_due, is_near
from console.page.views.service_lines import (
    STATES,
    Readings,
    ServicesFilter,
    build_service_table,
)
from console.page.views.value_list import build_value_table
from console.views.cells import BAD, GOOD, PLAIN, UNKNOWN, WARN, Badge
from console.views.table import Table
from vault.prometheus.alertmanager import Alert, AlertState
from vault.reconcile.planning.partial_plan import PartialPlan

#: Values of an environment that are listed because they are due first.
_NEXT: Final = 5
_ALL: Final = ServicesFilter()


@dataclass(frozen=True, slots=True)
class Tile:
    """A number with its name."""

    name: str
    text: str
    tone: str = PLAIN
    note: str = ""
    href: str | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentPanel:
    """An environment, as the view shows it."""

    name: str
    href: str
    state: tuple[Badge, ...]
    facts: tuple[tuple[str, str], ...]
    tiles: tuple[Tile, ...]
    services: Table
    next: Table
    counts: Mapping[str, int]


def build_totals(panels: Sequence[EnvironmentPanel]) -> tuple[Tile, ...]:
    """Return the numbers of all environments."""
    counts: Counter[str] = Counter()
    for panel in panels:
        counts.update(panel.counts)
    up, nodes = counts["up"], counts["nodes"]
    return (
        Tile("Nodes up", f"{up:,} of {nodes:,}", GOOD if up == nodes else BAD),
        Tile("Services", f"{counts['services']:,}"),
        Tile("Values", f"{counts['values']:,}"),
        _count("Overdue", counts["overdue"], BAD),
        _count("Due within 7 days", counts["soon"], WARN),
        _count("Anomalies, 24 h", counts["anomalies"], WARN),
    )


def build_panel(
    name: str, readings: Readings, now: datetime, asked: ServicesFilter = _ALL
) -> EnvironmentPanel:
    """Return the panel of one environment, with the services that *asked* is for."""
    rows = [(row, find_due(row, now)) for row in readings.ledger.value or ()]
    dues = Counter(due for _, due in rows)
    upcoming = sorted(
        (pair for pair in rows if pair[0].due is not None and pair[1] is not Due.BY_ITSELF),
        key=lambda pair: pair[0].due or now,
    )
    declaration = readings.declaration.value
    findings = readings.audit.value.findings if readings.audit.value else ()
    return EnvironmentPanel(
        name,
        build_url("/", env=name),
        tuple(_states(readings.server)),
        _facts(readings.server.value),
        _tiles(name, readings, dues, sum(is_near(row, due, now) for row, due in rows)),
        build_service_table(name, readings, rows, asked),
        build_value_table(upcoming[:_NEXT], name, now, f"Next due in {name}"),
        {
            "services": 0 if declaration is None else len(declaration.scopes(name)),
            "values": len(rows),
            "overdue": dues[Due.OVERDUE],
            "soon": dues[Due.SOON],
            "anomalies": len(findings),
            **_count_nodes(readings.server),
        },
    )


def show_overview(request: PageRequest) -> Response:
    """Return the view of all environments, or of the one in the address."""
    one = request.find_environment()
    asked = ServicesFilter(
        request.text("q"), request.choice("state", STATES), request.number("page")
    )
    shown = [one] if one else list(request.sources.values())
    request.use(*(source for each in shown for source in _sources(each)))
    panels = [build_panel(each.name, _read(each), request.now, asked) for each in shown]
    title = f"Overview of {one.name}" if one else "Overview"
    return request.render(
        "overview.html.j2",
        title,
        crumbs=(),
        environment=one,
        asked=asked,
        states=STATES,
        panels=panels,
        totals=build_totals(panels),
    )


def _sources(of: EnvironmentSources) -> list[CachedSource[Any]]:
    local = [of.local] if of.local else []
    alerts = [of.alerts] if of.alerts else []
    return [of.declaration, of.server, of.ledger, of.audit, *local, *alerts]


def _read(sources: EnvironmentSources) -> Readings:
    return Readings(
        sources.declaration.get(),
        sources.server.get(),
        sources.ledger.get(),
        sources.audit.get(),
        sources.local.get() if sources.local else None,
        sources.plan.peek(),
        sources.alerts.get() if sources.alerts else None,
    )


def _states(server: Reading[ServerState]) -> Iterable[Badge]:
    yield _state(server)
    nodes = (server.value.nodes if server.value else None) or ()
    if down := sum(not each.is_healthy for each in nodes):
        yield Badge(f"{down} of {len(nodes)} nodes down", BAD)


def _count_nodes(server: Reading[ServerState]) -> Mapping[str, int]:
    """Return how many nodes there are and are up. Of no cluster, the server is one."""
    nodes = (server.value.nodes if server.value else None) or ()
    is_up = _state(server).tone == GOOD
    up = sum(each.is_healthy for each in nodes) if nodes else 1
    return {"nodes": len(nodes) or 1, "up": up if is_up else 0}


def _state(server: Reading[ServerState]) -> Badge:
    if server.is_pending:
        return Badge("being read", PLAIN)
    if server.problem is not None:
        return Badge("cannot be read", BAD)
    if server.value is None or server.value.is_sealed:
        return Badge("sealed", BAD)
    return Badge("unsealed, active" if server.value.is_leader else "unsealed, standby", GOOD)


def _facts(server: ServerState | None) -> tuple[tuple[str, str], ...]:
    if server is None or server.is_sealed:
        return ()
    facts = [("version", server.version), ("leader", server.leader), ("cluster", server.cluster)]
    if server.nodes is None:
        facts.append(("nodes", "this role may not list them"))
    else:
        names = [each.name if each.is_healthy else f"{each.name} (down)" for each in server.nodes]
        facts.append(("nodes", ", ".join(names)))
    if server.devices is None:
        facts.append(("audit devices", "this role may not list them"))
    else:
        names = [f"{each.name} ({each.kind})" for each in server.devices]
        facts.append(("audit devices", ", ".join(names) or "none: nobody can tell who read what"))
    return tuple((name, text) for name, text in facts if text)


def _tiles(name: str, readings: Readings, dues: Counter[Due], near: int) -> tuple[Tile, ...]:
    is_known = readings.ledger.value is not None
    unissued = dues[Due.NOT_ISSUED]
    counts = (
        ("Overdue", Due.OVERDUE, BAD, ""),
        ("Due within 7 days", Due.SOON, WARN, f"{near:,} within a day" if near else ""),
        ("No value", Due.NO_VALUE, WARN, f"{unissued:,} none issued" if unissued else ""),
    )
    return (
        *(
            _count(
                title,
                dues[due] if is_known else None,
                tone,
                note,
                href=build_url("/values", env=name, state=due.value),
            )
            for title, due, tone, note in counts
        ),
        _anomalies(readings.audit, build_url("/anomalies", env=name)),
        _alerts(name, readings.alerts),
        _drift(name, readings.plan),
    )


def _count(
    name: str, count: int | None, tone: str, note: str = "", href: str | None = None
) -> Tile:
    """Return a tile that has the *tone* if there is anything to count."""
    if count is None:
        return Tile(name, UNKNOWN, PLAIN, note or "not known")
    return Tile(name, f"{count:,}", tone if count else GOOD, note, href if count else None)


def _anomalies(audit: Reading[AuditSummary], href: str) -> Tile:
    if audit.value is None:
        return _count("Anomalies, 24 h", None, PLAIN)
    counts = Counter(each.severity for each in audit.value.findings)
    note = ", ".join(f"{counts[each]} {each}" for each in SEVERITIES if counts[each])
    tone = BAD if counts["high"] else WARN
    return _count("Anomalies, 24 h", counts.total(), tone, note, href)


def _alerts(name: str, alerts: Reading[tuple[Alert, ...]] | None) -> Tile:
    if alerts is None:
        return _count("Alerts", None, PLAIN, "not configured")
    if alerts.value is None:
        return _count("Alerts", None, PLAIN)
    counts = count_firing(alerts.value)
    note = ", ".join(f"{count} {severity}" for severity, count in counts.items())
    tone = find_tone(next(iter(counts), ""))
    href = build_url("/alerts", env=name, state=AlertState.FIRING.value)
    return _count("Alerts", counts.total(), tone, note, href)


def _drift(name: str, plan: Reading[PartialPlan]) -> Tile:
    """Return the tile of the last comparison. It is not made for this view, because it is slow."""
    href = build_url("/plan", env=name)
    if plan.value is None:
        return Tile("Drift", "compare", PLAIN, href=href)
    changes, denied = len(plan.value.plan.changes), len(plan.value.denied)
    note = f"{denied} not readable" if denied else ""
    return Tile("Drift", f"{changes:,}", WARN if changes else GOOD, note, href)
