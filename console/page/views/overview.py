"""View of all environments at a glance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
from console.page.views.due import Due, find_due
from console.page.views.service_lines import Readings, build_service_table
from console.page.views.value_list import build_value_table
from console.views.cells import BAD, GOOD, PLAIN, UNKNOWN, WARN, Badge
from console.views.table import Table
from vault.prometheus.alertmanager import Alert, AlertState
from vault.reconcile.planning.partial_plan import PartialPlan

#: Values of an environment that are listed because they are due first.
_NEXT: Final = 5


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
    state: Badge
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
    ready = sum(panel.state.tone == GOOD for panel in panels)
    is_ready = GOOD if ready == len(panels) else BAD
    return (
        Tile("Servers active", f"{ready} of {len(panels)}", is_ready),
        Tile("Services", f"{counts['services']:,}"),
        Tile("Values", f"{counts['values']:,}"),
        _count("Overdue", counts["overdue"], BAD),
        _count("Due within 7 days", counts["soon"], WARN),
        _count("Anomalies, 24 h", counts["anomalies"], WARN),
    )


def build_panel(name: str, readings: Readings, now: datetime) -> EnvironmentPanel:
    """Return the panel of one environment."""
    rows = [(row, find_due(row, now)) for row in readings.ledger.value or ()]
    dues = Counter(due for _, due in rows)
    services = build_service_table(name, readings, rows)
    upcoming = sorted(
        (pair for pair in rows if pair[0].due is not None), key=lambda pair: pair[0].due or now
    )
    findings = readings.audit.value.findings if readings.audit.value else ()
    return EnvironmentPanel(
        name,
        build_url("/", env=name),
        _state(readings.server),
        _facts(readings.server.value),
        _tiles(name, readings, dues),
        services,
        build_value_table(upcoming[:_NEXT], name, now, f"Next due in {name}"),
        {
            "services": len(services.rows),
            "values": len(rows),
            "overdue": dues[Due.OVERDUE],
            "soon": dues[Due.SOON],
            "anomalies": len(findings),
        },
    )


def show_overview(request: PageRequest) -> Response:
    """Return the view of all environments, or of the one in the address."""
    one = request.find_environment()
    shown = [one] if one else list(request.sources.values())
    request.use(*(source for each in shown for source in _sources(each)))
    panels = [build_panel(each.name, _read(each), request.now) for each in shown]
    title = f"Overview of {one.name}" if one else "Overview"
    return request.render(
        "overview.html.j2",
        title,
        crumbs=(),
        environment=one,
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
    if server.devices is None:
        facts.append(("audit devices", "this role may not list them"))
    else:
        names = [f"{each.name} ({each.kind})" for each in server.devices]
        facts.append(("audit devices", ", ".join(names) or "none: nobody can tell who read what"))
    return tuple((name, text) for name, text in facts if text)


def _tiles(name: str, readings: Readings, dues: Counter[Due]) -> tuple[Tile, ...]:
    is_known = readings.ledger.value is not None
    counts = (
        ("Overdue", Due.OVERDUE, BAD),
        ("Due within 7 days", Due.SOON, WARN),
        ("No value", Due.NO_VALUE, WARN),
    )
    return (
        *(
            _count(
                title,
                dues[due] if is_known else None,
                tone,
                href=build_url("/values", env=name, state=due.value),
            )
            for title, due, tone in counts
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
