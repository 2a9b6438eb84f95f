"""View of all environments: what is known is counted, and what is not is never zero."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.page.sources.audit_summary import AuditSummary
from console.page.sources.cached_source import Reading
from console.page.sources.server_state import AuditDevice, ServerState
from console.page.sources.sources import LocalState
from console.page.views.overview import build_panel, build_totals
from console.page.views.service_lines import Readings
from console.views.cells import BAD, GOOD, PLAIN, UNKNOWN, WARN, Badge, Note
from local.processes.agent_supervisor import AGENT
from local.runtime_interface import Status
from local.services.config_state import ConfigState
from tests.support.table_cells import column, texts
from vault.audit.anomalies.finding import Finding
from vault.audit.anomalies.rules_reader import built_in
from vault.declare.load import load
from vault.prometheus.alertmanager import Alert, AlertState
from vault.reconcile.planning.partial_plan import PartialPlan
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources.policies import Policy
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.ledger import LastRead, ReadState, Row, State
from vault.rotation.server_ages import Age

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FIRING = AlertState.FIRING
SERVER = ServerState(
    is_sealed=False,
    version="2.7.2",
    is_leader=True,
    devices=(AuditDevice("audit-1", "file", "/log"),),
)


def row(name: str, age: int, service: str | None = "gaara-store") -> Row:
    created = NOW - age * DAY
    every = 90 * 86_400
    item = Item(Kind.SECRET, service, name, f"{service}/dev/{name}", every, is_declared=True)
    due = created + 90 * DAY
    state = State.OVERDUE if due < NOW else State.OK
    never = LastRead(ReadState.NEVER)
    return Row(item, Age(created, created, 2), state, age * 86_400, due, never)


def finding(severity: str) -> Finding:
    return Finding(
        *("denials", severity, "shop", False, None, "", NOW, NOW, NOW, 9, None), evidence=()
    )


#: Cell of an agent whose last login is in the log.
LOGGED_IN = (Badge("logged in", PLAIN), Note(("login", NOW - DAY)))
AUDIT = AuditSummary(
    (finding("high"), finding("low")),
    {"gaara-store-dev": NOW - DAY, "gaara-store-dev-starter": NOW - 2 * DAY},
    NOW - DAY,
    NOW,
    built_in(),
    NOW - DAY,
)
READ = Readings(
    Reading("declaration", load(), NOW),
    Reading("server", SERVER, NOW),
    Reading("ledger", (row("late", 100), row("near", 85), row("fresh", 1)), NOW),
    Reading("audit", AUDIT, NOW),
    None,
    Reading("plan"),
)


def test_panel_counts_what_is_due_and_names_what_is_next() -> None:
    panel = build_panel("dev", READ, NOW)
    tiles = {tile.name: (tile.text, tile.tone, tile.note) for tile in panel.tiles}
    assert tiles == {
        "Overdue": ("1", BAD, ""),
        "Due within 7 days": ("1", WARN, ""),
        "No value": ("0", GOOD, ""),
        "Anomalies, 24 h": ("2", BAD, "1 high, 1 low"),
        "Alerts": (UNKNOWN, PLAIN, "not configured"),
        "Drift": ("compare", PLAIN, ""),
    }
    assert panel.tiles[0].href == "/values?env=dev&state=overdue"
    assert texts(panel.next, "Name") == [("late",), ("near",), ("fresh",)]
    assert panel.facts == (("version", "2.7.2"), ("audit devices", "audit-1 (file)"))


def test_service_shows_the_last_login_of_its_agent_where_the_host_is_not_known() -> None:
    services = build_panel("dev", READ, NOW).services
    assert texts(services, "Values", "Overdue", "Due within 7 days")[0] == ("3", "1", "1")
    assert column(services, "Overdue") == [Note("1", BAD), "0"]
    assert column(services, "Agent") == [LOGGED_IN, Badge("no login in the log", PLAIN)]
    assert column(services, "Config")[0] == Note("see its host")


@pytest.mark.parametrize(
    ("supervisor", "problem", "agent"),
    [
        (True, None, Badge("runs", GOOD)),
        (True, "the start failed", Badge("does not run", BAD)),
        (False, None, Badge("does not run", BAD)),
    ],
)
def test_service_of_the_local_deployment_shows_its_own_agent(
    supervisor: bool, problem: str | None, agent: Badge
) -> None:
    parts = (Status(AGENT, "Agents", 0, supervisor, None, None),)
    config = ConfigState(Path("/c/app.yaml"), NOW, None, problem)
    local = Reading("local", LocalState(parts, {"gaara-store": config}), NOW)
    services = build_panel("dev", replace(READ, local=local), NOW).services
    login = LOGGED_IN[1]
    assert column(services, "Agent") == [(agent, login), Badge("none, without a config", PLAIN)]


def test_service_shows_the_last_login_of_one_of_its_colours() -> None:
    declaration = load()
    dev = declaration.environment("dev")
    mail = dev.services["orders-mail"].model_copy(update={"colours": ("blue", "green")})
    dev = dev.model_copy(update={"services": {**dev.services, "orders-mail": mail}})
    coloured = replace(declaration, environments={**declaration.environments, dev.environment: dev})
    audit = replace(AUDIT, logins={"orders-mail-dev-green": NOW - DAY})
    readings = replace(
        READ,
        declaration=Reading("declaration", coloured, NOW),
        audit=Reading("audit", audit, NOW),
    )
    assert column(build_panel("dev", readings, NOW).services, "Agent")[1] == LOGGED_IN


@pytest.mark.parametrize(
    ("server", "state"),
    [
        (Reading("server", SERVER), Badge("unsealed, active", GOOD)),
        (Reading("server", replace(SERVER, is_leader=False)), Badge("unsealed, standby", GOOD)),
        (Reading("server", ServerState(is_sealed=True)), Badge("sealed", BAD)),
        (Reading("server", SERVER, problem="unreachable"), Badge("cannot be read", BAD)),
        (Reading("server", is_pending=True), Badge("being read", PLAIN)),
    ],
)
def test_state_of_the_server_is_a_word(server: Reading[ServerState], state: Badge) -> None:
    assert build_panel("dev", replace(READ, server=server), NOW).state == state


@pytest.mark.parametrize(
    ("devices", "text"),
    [((), "none: nobody can tell who read what"), (None, "this role may not list them")],
)
def test_missing_audit_devices_are_said(devices: tuple[AuditDevice, ...] | None, text: str) -> None:
    server = Reading("server", replace(SERVER, devices=devices))
    panel = build_panel("dev", replace(READ, server=server), NOW)
    assert panel.facts[-1] == ("audit devices", text)


def test_what_is_not_read_is_unknown_and_not_zero() -> None:
    nothing: Reading[tuple[Row, ...]] = Reading("ledger", problem="denied")
    panel = build_panel("dev", replace(READ, ledger=nothing, audit=Reading("audit")), NOW)
    assert {tile.text for tile in panel.tiles} == {UNKNOWN, "compare"}
    assert {*column(panel.services, "Values")} == {UNKNOWN}


def test_drift_is_that_of_the_last_comparison() -> None:
    denied = Policy("gaara-store-dev", "")
    for found, note in (((), ""), ((denied,), "1 not readable")):
        plan = Reading("plan", PartialPlan(Plan((), 40, ()), found), NOW)
        tile = build_panel("dev", replace(READ, plan=plan), NOW).tiles[-1]
        assert (tile.text, tile.note, tile.href) == ("0", note, "/plan?env=dev")


def test_alerts_are_those_that_fire_by_severity() -> None:
    pairs = [("page", FIRING), ("a", FIRING), ("b", FIRING), ("page", AlertState.SILENCED)]
    alerts = tuple(Alert({"severity": each}, {}, NOW, state) for each, state in pairs)
    for found, text, tone, note in (
        (alerts, "3", BAD, "1 page, 2 other"),
        (alerts[1:], "2", WARN, "2 other"),
        ((), "0", GOOD, ""),
        (None, UNKNOWN, PLAIN, "not known"),
    ):
        panel = build_panel("dev", replace(READ, alerts=Reading("alerts", found)), NOW)
        tile = next(each for each in panel.tiles if each.name == "Alerts")
        assert (tile.text, tile.tone, tile.note) == (text, tone, note)


def test_totals_are_those_of_all_environments() -> None:
    sealed = replace(READ, server=Reading("server", ServerState(is_sealed=True)))
    totals = {
        tile.name: (tile.text, tile.tone)
        for tile in build_totals(
            [build_panel("dev", READ, NOW), build_panel("staging", sealed, NOW)]
        )
    }
    assert totals == {
        "Servers active": ("1 of 2", BAD),
        "Services": ("4", PLAIN),
        "Values": ("6", PLAIN),
        "Overdue": ("2", BAD),
        "Due within 7 days": ("2", WARN),
        "Anomalies, 24 h": ("4", WARN),
    }
