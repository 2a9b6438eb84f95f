"""View of the plan: the changes of each service, and what the credential may not read."""

from __future__ import annotations

import pytest

from console.page.views.plan import PlanFilter, PlanView, build_plan_view
from vault.declare.load import load
from vault.reconcile.planning.partial import PartialPlan
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


def build(
    asked: PlanFilter | None = None, *denied: Policy, missing: tuple[str, ...] = ()
) -> PlanView:
    found = PartialPlan(Plan(CHANGES, 30, missing), denied)
    return build_plan_view(found, load(), "staging", asked or PlanFilter())


def names(view: PlanView) -> list[str]:
    return [each.name for each in view.page.rows]


def test_changes_have_their_fields_as_the_terminal_shows_them() -> None:
    line = build().page.rows[0]
    assert (line.service, line.badge.text, line.lines) == (
        "gaara-store",
        "change",
        ("ttl: 1m → 1h",),
    )


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
    assert names(build(asked)) == expected


def test_services_are_counted_before_the_filter_by_them_and_lead_back() -> None:
    services = build(PlanFilter(service="gaara-store")).services
    assert [(each.name, each.total, each.is_current) for each in services] == [
        ("gaara-store", 2, True),
        ("orders-mail", 1, False),
        ("-", 1, False),
    ]
    assert services[0].href == "/plan?env=staging"
    assert [(bar.count, bar.start, bar.length) for bar in services[0].bars] == [
        (1, 0, 50),
        (1, 50, 50),
        (0, 100, 0),
    ]


def test_resources_that_must_not_be_read_are_counted_by_kind() -> None:
    view = build(None, Policy("a", ""), Policy("b", ""))
    assert (view.denied, view.fuller_role) == ((("policy", 2),), "strongroom-plan")


def test_tiles_count_all_changes_and_what_is_missing() -> None:
    tiles = {tile.name: tile.text for tile in build(missing=("shop/staging/token",)).tiles}
    assert tiles == {
        "To create": "1",
        "To change": "2",
        "To delete": "1",
        "Without a value": "1",
        "As declared": "30",
    }
