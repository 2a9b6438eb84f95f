"""View of all environments: what is known is counted, and what is not is never zero."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app_integration.config.delivery_status import State as DeliveryState
from app_integration.config.delivery_status import Status as Delivery
from console.page.sources.audit_summary import AuditSummary
from console.page.sources.cached_source import Reading
from console.page.sources.server_state import AuditDevice, Node, ServerState
from console.page.sources.sources import LocalState
from console.page.views.overview import build_panel, build_totals
from console.page.views.service_lines import PAGE, Readings, ServicesFilter
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


#: Cell of an agent whose last read is in the log.
HAS_READ = (Badge("agent has read", PLAIN), Note(NOW - DAY))
NO_READ = Badge("no read in the log", PLAIN)
TIME = "2026-05-01T12:00:00Z"
DELIVERED = Delivery(DeliveryState.DELIVERED, None, TIME, TIME, 1, None)
AUDIT = AuditSummary(
    (finding("high"), finding("low")),
    {("gaara-store-dev", True): NOW - DAY, ("gaara-store-dev", False): NOW},
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


def test_tiles_tell_what_is_due_within_a_day_and_what_was_never_issued() -> None:
    credential = Item(Kind.SECRET_ID, "gaara-store", "gaara-store-dev", "x", 1, is_declared=True)
    missing = Age(reason="the AppRole has no valid secret-id")
    rows = (
        replace(row("near", 85), due=NOW + DAY / 9),
        replace(row("x", 1), item=credential, age=missing, state=State.NO_VALUE, due=None),
    )
    panel = build_panel("dev", replace(READ, ledger=Reading("ledger", rows, NOW)), NOW)
    tiles = {tile.name: (tile.text, tile.tone, tile.note) for tile in panel.tiles}
    assert tiles["Due within 7 days"] == ("1", WARN, "1 within a day")
    assert tiles["No value"] == ("0", GOOD, "1 none issued")


def test_service_shows_the_last_read_of_its_agent_where_the_host_is_not_known() -> None:
    services = build_panel("dev", READ, NOW).services
    assert texts(services, "Values", "Overdue", "Due within 7 days")[0] == ("3", "1", "1")
    assert column(services, "Overdue") == [Note(1, BAD), 0]
    assert column(services, "Agent") == [HAS_READ, NO_READ]
    assert column(services, "Config")[0] == Note("see its host")


def test_read_without_the_mark_of_an_agent_may_be_the_applications() -> None:
    audit = replace(AUDIT, reads={("orders-mail-dev", False): NOW - DAY})
    readings = replace(READ, audit=Reading("audit", audit, NOW))
    read = (Badge("agent or application has read", PLAIN), Note(NOW - DAY))
    assert column(build_panel("dev", readings, NOW).services, "Agent") == [NO_READ, read]


@pytest.mark.parametrize(
    ("supervisor", "problem", "last", "agent"),
    [
        (True, None, DELIVERED, Badge("runs", GOOD)),
        (True, None, None, Badge("has delivered nothing", WARN)),
        (True, "the start failed", DELIVERED, Badge("does not run", BAD)),
        (False, None, DELIVERED, Badge("does not run", BAD)),
    ],
)
def test_agent_of_the_local_deployment_is_one_that_runs_and_has_delivered(
    supervisor: bool, problem: str | None, last: Delivery | None, agent: Badge
) -> None:
    parts = (Status(AGENT, "Agents", 0, supervisor, None, None),)
    config = ConfigState(Path("/c/app.yaml"), NOW, last, problem)
    local = Reading("local", LocalState(parts, {"gaara-store": config}), NOW)
    services = build_panel("dev", replace(READ, local=local), NOW).services
    assert column(services, "Agent") == [agent, Badge("none, without a config", PLAIN)]


def test_service_shows_the_last_read_of_one_of_its_colours() -> None:
    declaration = load()
    dev = declaration.environment("dev")
    mail = dev.services["orders-mail"].model_copy(update={"colours": ("blue", "green")})
    dev = dev.model_copy(update={"services": {**dev.services, "orders-mail": mail}})
    coloured = replace(declaration, environments={**declaration.environments, dev.environment: dev})
    audit = replace(AUDIT, reads={("orders-mail-dev-green", True): NOW - DAY})
    readings = replace(
        READ,
        declaration=Reading("declaration", coloured, NOW),
        audit=Reading("audit", audit, NOW),
    )
    assert column(build_panel("dev", readings, NOW).services, "Agent")[1] == HAS_READ


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
    assert build_panel("dev", replace(READ, server=server), NOW).state == (state,)


def test_node_that_is_down_shows_although_the_server_is_active() -> None:
    nodes = (Node("vault-1", is_healthy=True), Node("vault-2", is_healthy=False))
    server = Reading("server", replace(SERVER, nodes=nodes))
    panel = build_panel("dev", replace(READ, server=server), NOW)
    assert panel.state == (Badge("unsealed, active", GOOD), Badge("1 of 2 nodes down", BAD))
    assert ("nodes", "vault-1, vault-2 (down)") in panel.facts
    totals = build_totals([panel, build_panel("staging", READ, NOW)])
    assert (totals[0].name, totals[0].text, totals[0].tone) == ("Nodes up", "2 of 3", BAD)


def test_nodes_that_may_not_be_listed_are_said() -> None:
    server = Reading("server", replace(SERVER, nodes=None))
    panel = build_panel("dev", replace(READ, server=server), NOW)
    assert ("nodes", "this role may not list them") in panel.facts


def fleet(count: int) -> Readings:
    """Return an environment of *count* services, the first of which has overdue values."""
    declaration = load()
    dev = declaration.environment("dev")
    names = [f"svc-{number:03}" for number in range(count)]
    like = declaration.services["gaara-store"]
    services = {each: like.model_copy(update={"owner": f"team-{each[-1]}"}) for each in names}
    deployed = dict.fromkeys(names, dev.services["gaara-store"])
    declared = dev.model_copy(update={"services": deployed})
    environments = {**declaration.environments, dev.environment: declared}
    many = replace(declaration, services=services, environments=environments)
    rows = (row("late", 100, names[0]), *(row("fresh", 1, each) for each in names))
    return replace(
        READ,
        declaration=Reading("declaration", many, NOW),
        ledger=Reading("ledger", rows, NOW),
    )


@pytest.mark.parametrize(
    ("asked", "first", "shown", "total"),
    [
        (ServicesFilter(), "svc-000", PAGE, 300),
        (ServicesFilter(page=12), "svc-275", PAGE, 300),
        (ServicesFilter(text="SVC-29"), "svc-290", 10, 10),
        (ServicesFilter(text="team-7"), "svc-007", PAGE, 30),
        (ServicesFilter(state="overdue"), "svc-000", 1, 1),
    ],
)
def test_services_of_a_fleet_are_filtered_and_on_pages(
    asked: ServicesFilter, first: str, shown: int, total: int
) -> None:
    panel = build_panel("dev", fleet(300), NOW, asked)
    names, pages = texts(panel.services, "Service"), panel.services.pages
    assert pages is not None
    assert (names[0], len(names), pages.total) == ((first,), shown, total)
    assert panel.counts["services"] == 300
    assert pages.url(2) == asked.url("dev", page=2)


def test_service_that_fits_no_filter_leaves_no_row() -> None:
    assert build_panel("dev", READ, NOW, ServicesFilter(text="none")).services.rows == []


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
        "Nodes up": ("1 of 2", BAD),
        "Services": ("4", PLAIN),
        "Values": ("6", PLAIN),
        "Overdue": ("2", BAD),
        "Due within 7 days": ("2", WARN),
        "Anomalies, 24 h": ("4", WARN),
    }
