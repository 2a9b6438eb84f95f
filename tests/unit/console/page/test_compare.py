"""View of two environments: what only one has, what differs, and what is equal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app_integration.names import Environment
from console.page.views.compare import CompareFilter, build_areas, build_entries
from console.page.views.differences import Area, Entry, Side, Verdict, compare
from console.views.cells import Link, Note
from console.views.table import Table
from tests.support.table_cells import column, texts
from vault.declare.declaration import Declaration
from vault.declare.load import load
from vault.reconcile.hcl.policy_rules import PolicyRules, Rule
from vault.rotation.inventory import declared_items
from vault.rotation.ledger.ledger import LastRead, ReadState, Row, State
from vault.rotation.server_ages import Age

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
STAGING, PROD = Environment("staging"), Environment("prod")
ALL = CompareFilter("staging", "prod", verdict="all")


def rows(environment: Environment, *without: str) -> list[Row]:
    """Return a ledger in which all has a value but the items *without*."""
    return [
        Row(
            item,
            Age(NOW, NOW, 1),
            State.NO_VALUE if item.name in without else State.OK,
            0,
            NOW,
            LastRead(ReadState.NEVER),
        )
        for item in declared_items(load(), environment)
    ]


def side(environment: Environment, *without: str, policies: PolicyRules | None = None) -> Side:
    found = {scope.service: {"shop-ENV": policies} for scope in load().scopes(environment)}
    return Side(environment, rows(environment, *without), found)


def build(
    left: Side, right: Side, asked: CompareFilter = ALL, declaration: Declaration | None = None
) -> Table:
    return build_entries(compare(left, right, declaration or load()), asked)


def find(table: Table, area: Area, name: str) -> tuple[str, ...]:
    """Return result, and what each environment has, of an entry of the store."""
    rows = texts(table, "Area", "Name", "Service", "Result", "staging", "prod")
    return next(row[3:] for row in rows if row[:3] == (area, name, "gaara-store"))


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [
        ("a", "a", Verdict.EQUAL),
        ("a", "absent", Verdict.LEFT),
        ("absent", "a", Verdict.RIGHT),
        ("a", "no value", Verdict.LEFT),
        ("absent", "no value", Verdict.DIFFERENT),
        ("a", "b", Verdict.DIFFERENT),
    ],
)
def test_verdict_is_that_of_the_two_texts(left: str, right: str, verdict: Verdict) -> None:
    assert Entry(Area.SECRET, "shop", "token", left, right).verdict is verdict


def test_secret_without_a_value_differs_and_others_are_equal() -> None:
    found = build(side(STAGING), side(PROD, "jwt-secret"), replace(ALL, area="secret"))
    jwt = find(found, Area.SECRET, "jwt-secret")
    assert jwt == ("only in staging", "has a value", "no value")
    assert find(found, Area.SECRET, "redis-url")[0] == "equal"


def test_credentials_of_a_service_have_one_name_in_both() -> None:
    found = build(side(STAGING), side(PROD), replace(ALL, area="credential"))
    assert find(found, Area.CREDENTIAL, "gaara-store-ENV-starter")[0] == "equal"


def test_environments_without_a_ledger_are_compared_by_the_declaration() -> None:
    sides = [Side(each, None, None) for each in (STAGING, PROD)]
    found = build(sides[0], sides[1], replace(ALL, area="secret"))
    assert find(found, Area.SECRET, "jwt-secret")[1] == "declared"
    areas = build_areas(compare(sides[0], sides[1], load()), ALL)
    assert (Area.POLICY,) not in texts(areas, "Area")


def test_service_of_one_environment_is_named_once() -> None:
    declaration = load()
    environments = {
        name: each.model_copy(update={"services": {"gaara-store": each.services["gaara-store"]}})
        if name == PROD
        else each
        for name, each in declaration.environments.items()
    }
    changed = replace(declaration, environments=environments)
    asked = CompareFilter("staging", "prod", service="orders-mail")
    found = build(side(STAGING), side(PROD), asked, changed)
    assert texts(found, "Area", "staging", "prod") == [("service", "runs", "absent")]


def test_rules_of_policies_are_compared_path_by_path() -> None:
    read, write = frozenset({"read"}), frozenset({"read", "update"})
    limits = [frozenset({("allowed_parameters", (each,))}) for each in ("1h", "2h")]
    left = side(STAGING, policies=frozenset({Rule("a", read), Rule("b", read, limits[0])}))
    right = side(PROD, policies=frozenset({Rule("a", write), Rule("b", read, limits[1])}))
    found = build(left, right, replace(ALL, area="policy rule"))
    one, other = (find(found, Area.POLICY, f"shop-ENV: {path}")[1:] for path in "ab")
    assert one == ("read", "read, update")
    limited = "read, with limits by allowed_parameters"
    assert other == (limited, f"{limited} that are others")


def test_policy_of_one_environment_is_named_once() -> None:
    rule = Rule("a", frozenset({"read"}))
    found = build(side(STAGING, policies=frozenset({rule})), side(PROD))
    entry = find(found, Area.POLICY, "shop-ENV")
    assert entry == ("only in staging", "exists", "does not exist or cannot be read")


def test_policies_that_were_read_before_a_service_was_declared_are_left_out() -> None:
    right = side(PROD)
    assert right.policies is not None
    earlier = {name: each for name, each in right.policies.items() if name != "gaara-store"}
    found = build(side(STAGING), replace(right, policies=earlier), replace(ALL, area="policy rule"))
    assert {*column(found, "Service")} == {"orders-mail"}


def test_areas_count_differences_and_link_to_them() -> None:
    entries = compare(side(STAGING), side(PROD, "jwt-secret"), load())
    areas = build_areas(entries, CompareFilter("staging", "prod"))
    (row,) = [row for row in areas.rows if str(row[0]) == Area.SECRET]
    here, lead = "/compare?left=staging&right=prod&area=secret", "&verdict=only-left"
    assert row[0] == Link("secret", here)
    assert row[2:] == (Link("1", f"{here}{lead}"), Note("0"), Note("0"), 6)


def test_periods_differ_where_the_environments_declare_others() -> None:
    found = build(side(STAGING), side(PROD), replace(ALL, area="rotation period"))
    assert find(found, Area.PERIOD, "jwt-secret (secret)")[0] == "equal"
