"""What a plan decides, and in which order it is carried out, without a server."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app_integration.errors import ConfigurationError, ServerFault
from app_integration.secret import Secret
from vault.reconcile.planning.dependencies import AFTER, PRUNABLE, dependency_depth, waves
from vault.reconcile.planning.plan import (
    Action,
    Change,
    FieldChange,
    Plan,
    make_plan,
    read_state,
)
from vault.reconcile.planning.prune import Orphan, add_deletions
from vault.reconcile.resources import Resource
from vault.reconcile.resources.secrets import DerivedValue, SecretValue


@dataclass(frozen=True)
class Thing:
    """A resource that is as the test says."""

    kind: str
    name: str
    fields: Mapping[str, Any]
    found: Mapping[str, Any] | Exception | None = None

    def desired(self) -> Mapping[str, Any]:
        return self.fields

    def read(self, reader: object) -> Mapping[str, Any] | None:
        assert reader is READER
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def write(self, session: object, before: object) -> None:
        raise NotImplementedError


READER: Any = object()


def thing(name: str = "a", kind: str = "policy", **fields: Any) -> Thing:
    return Thing(kind, name, fields)


def given(name: str, *, available: bool = True) -> SecretValue:
    return SecretValue(name, "given", available, lambda: Secret("v"))


def derived(name: str, **parts: str) -> DerivedValue:
    return DerivedValue(name, "", parts)


class TestDifference:
    """One resource against what the server has."""

    def test_what_is_as_declared_is_no_change(self) -> None:
        plan = make_plan([thing(a=1, b=[2])], [{"a": 1, "b": [2]}])
        assert (plan.changes, plan.unchanged, plan.missing) == ((), 1, ())

    def test_what_is_absent_is_created_with_every_field(self) -> None:
        one = thing(a=1, b=None)
        plan = make_plan([one], [None])
        fields = (FieldChange("a", None, 1), FieldChange("b", None, None))
        assert plan.changes == (Change(Action.CREATE, one, None, fields),)
        assert plan.unchanged == 0

    def test_a_field_that_differs_is_updated_alone(self) -> None:
        one, found = thing(a=1, b=2, c=3), {"a": 1, "b": 5, "c": 3, "d": 9}
        plan = make_plan([one], [found])
        assert plan.changes == (Change(Action.UPDATE, one, found, (FieldChange("b", 5, 2),)),)

    def test_a_field_that_the_server_lacks_is_updated(self) -> None:
        (change,) = make_plan([thing(a=1)], [{}]).changes
        assert change.action is Action.UPDATE
        assert change.fields == (FieldChange("a", None, 1),)

    def test_a_resource_without_fields_is_created_by_nothing(self) -> None:
        assert make_plan([thing()], [None]).changes == ()

    def test_changes_keep_the_order_of_the_declaration(self) -> None:
        things = [thing(name, a=1) for name in "cab"]
        assert [each.resource.name for each in make_plan(things, [None] * 3).changes] == [*"cab"]


class TestMissing:
    """Values that nobody has given."""

    def test_a_value_that_nobody_has_is_missing_and_no_change(self) -> None:
        plan = make_plan([given("shop/dev/a", available=False)], [None])
        assert (plan.changes, plan.missing, plan.unchanged) == ((), ("shop/dev/a",), 0)

    def test_one_that_is_there_already_is_not_missing(self) -> None:
        plan = make_plan([given("shop/dev/a", available=False)], [{"value": "present"}])
        assert (plan.changes, plan.missing, plan.unchanged) == ((), (), 1)

    def test_what_is_composed_of_a_missing_one_is_missing_too(self) -> None:
        parts: list[Resource] = [
            given("x/a", available=False),
            given("x/b"),
            derived("x/url", a="x/a", b="x/b"),
        ]
        plan = make_plan(parts, [None, None, None])
        assert plan.missing == ("x/a", "x/url")
        assert [each.resource.name for each in plan.changes] == ["x/b"]

    def test_what_is_composed_of_others_is_made(self) -> None:
        plan = make_plan([given("x/a"), derived("x/url", a="x/a")], [None, None])
        assert [str(each) for each in plan.changes] == [
            "create secret-value x/a",
            "create derived-secret x/url",
        ]

    def test_another_kind_that_is_absent_is_never_missing(self) -> None:
        assert make_plan([thing(a=1)], [None]).missing == ()


class TestOutdated:
    """A composed value, when a part of it is written in the same plan."""

    CURRENT = {"value": "current"}  # noqa: RUF012 (never changed)

    def test_it_is_written_again(self) -> None:
        made = derived("x/url", a="x/a", b="x/b")
        plan = make_plan([given("x/a"), made], [None, self.CURRENT])
        assert plan.changes[1] == Change(
            Action.UPDATE,
            made,
            {"value": "outdated"},
            (FieldChange("value", "outdated", "current"),),
        )

    def test_it_stays_when_other_values_are_written(self) -> None:
        plan = make_plan([given("x/c"), derived("x/url", a="x/a")], [None, self.CURRENT])
        assert len(plan.changes) == 1

    def test_one_of_a_composed_one_follows(self) -> None:
        chain: list[Resource] = [given("x/a"), derived("x/b", a="x/a"), derived("x/c", b="x/b")]
        plan = make_plan(chain, [None, self.CURRENT, self.CURRENT])
        assert [each.resource.name for each in plan.changes] == ["x/a", "x/b", "x/c"]

    def test_a_policy_of_that_name_makes_nothing_outdated(self) -> None:
        plan = make_plan([thing("x/a", a=1), derived("x/url", a="x/a")], [None, self.CURRENT])
        assert len(plan.changes) == 1


class TestReading:
    """Reading with several threads."""

    def test_answers_come_in_the_order_of_the_declaration(self) -> None:
        things = [
            Thing("policy" if number % 3 else "mount", str(number), {}, {"n": number})
            for number in range(100)
        ]
        found = read_state(READER, things, workers=4)
        assert found == [{"n": number} for number in range(100)]

    def test_what_is_absent_is_none(self) -> None:
        assert read_state(READER, [thing(), Thing("mount", "b", {}, {})]) == [None, {}]

    def test_nothing_is_read_for_nothing(self) -> None:
        assert read_state(READER, []) == []

    def test_one_that_cannot_be_read_ends_it(self) -> None:
        things = [thing(), Thing("policy", "b", {}, ServerFault("away"))]
        with pytest.raises(ServerFault, match="away"):
            read_state(READER, things, workers=2)
        assert not [each for each in threading.enumerate() if each.name.startswith("plan")]


def test_a_plan_counts_what_happens() -> None:
    plan = make_plan([thing("a", x=1), thing("b", x=1), thing("c", x=1)], [None, {"x": 2}, None])
    assert [plan.count(action) for action in Action] == [2, 1, 0]


def test_a_plan_is_hashed_when_that_is_asked_for() -> None:
    asked: list[str] = []

    def hashed() -> str:
        asked.append("once")
        return "digest"

    plan = Plan((), 0, (), hashed=hashed)
    assert asked == []
    assert plan.digest == "digest"
    assert Plan((), 0, ()).digest == ""


class TestOrder:
    """Which change goes before which."""

    def kinds(self, *items: Change) -> list[list[str]]:
        return [[str(each) for each in wave] for wave in waves(items)]

    def change(self, kind: str, name: str = "a", action: Action = Action.CREATE) -> Change:
        return Change(action, Thing(kind, name, {}), None, ())

    def test_every_kind_comes_after_those_that_it_needs(self) -> None:
        groups = waves([self.change(kind) for kind in AFTER])
        place = {change.kind: index for index, group in enumerate(groups) for change in group}
        for kind, others in AFTER.items():
            assert all(place[other] < place[kind] for other in others), kind

    def test_levels_are_the_longest_way(self) -> None:
        assert dependency_depth("mount") == 0
        assert dependency_depth("kv-config") == 1
        assert dependency_depth("adopted-secret") == 1 + max(
            dependency_depth("secret-metadata"), dependency_depth("static-role")
        )
        assert dependency_depth("derived-secret") == max(map(dependency_depth, AFTER))

    def test_one_kind_is_one_wave_but_for_composed_values(self) -> None:
        assert self.kinds(self.change("policy", "a"), self.change("policy", "b")) == [
            ["create policy a", "create policy b"]
        ]
        assert self.kinds(
            self.change("derived-secret", "b"), self.change("derived-secret", "a")
        ) == [["create derived-secret b"], ["create derived-secret a"]]

    def test_removals_come_last_and_the_other_way_round(self) -> None:
        gone = Action.DELETE
        assert self.kinds(
            self.change("policy", "old", gone),
            self.change("approle", "old", gone),
            self.change("derived-secret"),
            self.change("mount"),
        ) == [
            ["create mount a"],
            ["create derived-secret a"],
            ["delete approle old"],
            ["delete policy old"],
        ]

    def test_even_the_last_kind_is_made_before_any_is_removed(self) -> None:
        last = max(AFTER, key=dependency_depth)
        removed = self.change(last, "old", Action.DELETE)
        assert waves([removed, self.change(last)]) == [[self.change(last)], [removed]]

    def test_whatever_may_be_removed_has_a_place_in_the_order(self) -> None:
        assert set(PRUNABLE) <= set(AFTER)


def orphan(kind: str, name: str) -> Orphan:
    return Orphan(kind, name, f"note/{name}")


class TestRemovals:
    """Which of what is ours goes."""

    PLAN = Plan((), 3, ())
    FOUND = (
        orphan("policy", "old-dev"),
        orphan("transit-key", "old-dev-pii"),
        Orphan("secret-metadata", "old/dev/key", None),
    )

    def names(self, plan: Plan) -> list[str]:
        return [str(each) for each in plan.changes]

    def test_what_holds_data_is_kept_and_named(self) -> None:
        plan = add_deletions(self.PLAN, self.FOUND, ())
        assert self.names(plan) == ["delete policy old-dev"]
        assert plan.kept == ("secret/old/dev/key", "transit/old-dev-pii")
        assert (plan.unchanged, plan.absent) == (3, ())

    def test_what_is_named_in_full_goes(self) -> None:
        plan = add_deletions(self.PLAN, self.FOUND, ["transit/old-dev-pii"])
        assert self.names(plan) == ["delete policy old-dev", "delete transit-key old-dev-pii"]
        assert plan.kept == ("secret/old/dev/key",)

    def test_removals_follow_what_was_planned(self) -> None:
        planned = make_plan([thing(a=1)], [None])
        plan = add_deletions(planned, self.FOUND, ())
        assert plan.changes[0] is planned.changes[0]
        assert plan.changes[1].removed
        assert not plan.changes[0].removed

    def test_what_is_not_there_to_be_destroyed_is_refused(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            add_deletions(self.PLAN, self.FOUND, ["transit/b", "transit/a"])
        assert str(caught.value) == (
            "--destroy-data transit/a: no managed data of that name is undeclared "
            "(expected secret/old/dev/key or transit/old-dev-pii)"
        )

    def test_with_nothing_left_it_says_so(self) -> None:
        with pytest.raises(ConfigurationError, match="none: nothing is left to destroy"):
            add_deletions(self.PLAN, self.FOUND[:1], ["transit/a"])

    def test_what_is_gone_already_is_no_mistake(self) -> None:
        plan = add_deletions(self.PLAN, self.FOUND[:1], ["transit/a"], ["transit/a"])
        assert plan.absent == ("transit/a",)
        assert self.names(plan) == ["delete policy old-dev"]

    def test_what_is_found_does_not_count_as_gone(self) -> None:
        name = "transit/old-dev-pii"
        plan = add_deletions(self.PLAN, self.FOUND, [name], [name])
        assert plan.absent == ()
        assert replace(plan, changes=()).kept == ("secret/old/dev/key",)
