"""View of the plan: the changes of each service, and what the credential may not read."""

from __future__ import annotations

import pytest

from console.page.views.plan import (
    PlanFilter,
    build_changes,
    build_plan,
    build_services,
)
from console.views.cells import Link, stack
from console.views.table import Table
from tests.support.table_cells import column, texts
from vault.declare.load import load
from vault.reconcile.planning.partial_plan import PartialPlan
from vault.reconcile.planning.plan import Action, Change, FieldChange, Plan
from vault.reconcile.resources.policies import Policy
from vault.reconcile.resources.transit import TransitKey


def change(name: str, action: Action = Action.UPDATE, kind: type = Policy) -> Change:
    resource = Policy(name, "") if kind is Policy else TransitKey(name)
    return Change(action, resource, {}, (FieldChange("ttl", 60, 3600),))


CHANGES = (
    change("gaara-store-staging"),
    change("gaara-store-staging-pii", Action.CREATE, TransitKey),
    change("orders-mail-staging-starter", Action.DELETE),
    change("strongroom-plan"),
)


def found(*denied: Policy, missing: tuple[str, ...] = ()) -> PartialPlan:
    return PartialPlan(Plan(CHANGES, 30, missing), denied)


def changes(asked: PlanFilter | None = None) -> Table:
    return build_changes(found(), load(), "staging", asked or PlanFilter())


def test_changes_have_their_fields_as_the_terminal_shows_them() -> None:
    first, *_ = texts(changes(), "Service", "Action", "Fields")
    assert first == ("gaara-store", "change", "ttl: 1m → 1h")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (PlanFilter(service="orders-mail"), ["orders-mail-staging-starter"]),
        (PlanFilter(service="-"), ["strongroom-plan"]),
        (PlanFilter(action="create"), ["gaara-store-staging-pii"]),
        (PlanFilter(kind="transit-key"), ["gaara-store-staging-pii"]),
        (PlanFilter(text="STARTER"), ["orders-mail-staging-starter"]),
        (PlanFilter(text="nothing"), []),
    ],
)
def test_filter_selects_changes(asked: PlanFilter, expected: list[str]) -> None:
    assert column(changes(asked), "Name") == expected


def test_services_are_counted_before_the_filter_by_them_and_lead_back() -> None:
    table = build_services(found(), load(), "staging", PlanFilter(service="gaara-store"))
    first, *others = column(table, "service")
    assert first == Link("gaara-store", "/plan?env=staging", is_current=True)
    assert others == [
        Link("orders-mail", "/plan?env=staging&service=orders-mail"),
        Link("shared", "/plan?env=staging&service=-"),
    ]
    assert column(table, "changes") == [2, 1, 1]
    assert texts(table, "create, change, delete")[0] == ("1 / 1 / 0",)
    series = ("series-2", "series-0", "series-3")
    assert column(table, "share")[0] == stack(zip(series, (1, 1, 0), strict=True), 2)


def test_resources_that_must_not_be_read_are_counted_by_kind() -> None:
    plan = build_plan(found(Policy("a", ""), Policy("b", "")), load(), "staging", PlanFilter())
    assert (plan["denied"], plan["fuller_role"]) == ([("policy", 2)], "strongroom-plan")


def test_tiles_count_all_changes_and_what_is_missing() -> None:
    plan = build_plan(found(missing=("shop/staging/token",)), load(), "staging", PlanFilter())
    tiles = {tile.name: tile.text for tile in plan["tiles"]}
    assert tiles == {
        "To create": "1",
        "To change": "2",
        "To delete": "1",
        "Without a value": "1",
        "As declared": "30",
    }
