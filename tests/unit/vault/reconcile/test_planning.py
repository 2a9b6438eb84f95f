"""Changes of a plan and the order in which they are applied, without a server."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app_integration.errors import ConfigurationError, ServerFault
from app_integration.secret import Secret
from vault.reconcile.planning.dependencies import (
    DEPENDENCIES,
    PRUNABLE,
    dependency_depth,
    group_into_waves,
)
from vault.reconcile.planning.plan import (
    Action,
    Change,
    FieldChange,
    Plan,
    make_plan,
    read_state,
)
from vault.reconcile.planning.prune import Orphan, add_deletions
from vault.reconcile.resources import OUTDATED, UNREPORTED, NoValue, Resource
from vault.reconcile.resources.secrets import DerivedValue, SecretValue


@dataclass(frozen=True)
class Thing:
    """A resource with the fields and the state that a test sets."""

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
        pytest.fail(f"a plan wrote {self} with {session} over {before}")


READER: Any = object()


def thing(name: str = "a", kind: str = "policy", **fields: Any) -> Thing:
    return Thing(kind, name, fields)


def given(name: str, *, available: bool = True) -> SecretValue:
    return SecretValue(name, available, lambda: Secret("v"))


def derived(name: str, **parts: str) -> DerivedValue:
    return DerivedValue(name, "", parts)


class TestDifference:
    """One resource compared with the server's fields."""

    def test_resource_as_declared_is_unchanged(self) -> None:
        plan = make_plan([thing(a=1, b=[2])], [{"a": 1, "b": [2]}])
        assert (plan.changes, plan.unchanged, plan.missing) == ((), 1, ())

    def test_missing_resource_is_created_with_every_field(self) -> None:
        one = thing(a=1, b=None)
        plan = make_plan([one], [None])
        fields = (FieldChange("a", None, 1), FieldChange("b", None, None))
        assert plan.changes == (Change(Action.CREATE, one, None, fields),)
        assert plan.unchanged == 0

    def test_only_the_field_that_differs_is_updated(self) -> None:
        one, found = thing(a=1, b=2, c=3), {"a": 1, "b": 5, "c": 3, "d": 9}
        plan = make_plan([one], [found])
        assert plan.changes == (Change(Action.UPDATE, one, found, (FieldChange("b", 5, 2),)),)

    def test_field_that_the_server_lacks_is_updated(self) -> None:
        (change,) = make_plan([thing(a=1)], [{}]).changes
        assert change.action is Action.UPDATE
        assert change.fields == (FieldChange("a", None, 1),)

    def test_missing_resource_without_fields_is_not_created(self) -> None:
        assert make_plan([thing()], [None]).changes == ()

    def test_changes_keep_the_order_of_the_declaration(self) -> None:
        things = [thing(name, a=1) for name in "cab"]
        assert [each.resource.name for each in make_plan(things, [None] * 3).changes] == [*"cab"]


class TestMissing:
    """Values that the operator has not provided."""

    def test_value_not_provided_is_missing_and_not_a_change(self) -> None:
        plan = make_plan([given("shop/dev/a", available=False)], [None])
        assert (plan.changes, plan.missing, plan.unchanged) == ((), ("shop/dev/a",), 0)

    def test_value_on_the_server_is_not_missing(self) -> None:
        plan = make_plan([given("shop/dev/a", available=False)], [{"value": "present"}])
        assert (plan.changes, plan.missing, plan.unchanged) == ((), (), 1)

    def test_derived_value_with_a_missing_part_is_missing(self) -> None:
        parts: list[Resource] = [
            given("x/a", available=False),
            given("x/b"),
            derived("x/url", a="x/a", b="x/b"),
        ]
        plan = make_plan(parts, [None, None, None])
        assert plan.missing == ("x/a", "x/url")
        assert [each.resource.name for each in plan.changes] == ["x/b"]

    def test_derived_value_with_all_parts_is_created(self) -> None:
        plan = make_plan([given("x/a"), derived("x/url", a="x/a")], [None, None])
        assert [str(each) for each in plan.changes] == [
            "create secret-value x/a",
            "create derived-secret x/url",
        ]

    def test_resource_of_another_kind_is_never_missing(self) -> None:
        assert make_plan([thing(a=1)], [None]).missing == ()


DELETED = {"value": NoValue("version 3 is deleted", 3)}


class TestEnded:
    """Values whose current version was deleted or destroyed."""

    @pytest.mark.parametrize("resource", [given("x/a"), derived("x/a", b="x/b")])
    def test_ended_value_is_missing_and_not_a_change(self, resource: Resource) -> None:
        plan = make_plan([thing("x/a"), resource], [{}, DELETED])
        assert (plan.changes, plan.missing, plan.unchanged) == ((), ("x/a",), 1)
        assert plan.ended == {"x/a": "version 3 is deleted"}

    def test_ended_derived_value_is_composed_once_a_part_is_written(self) -> None:
        plan = make_plan([given("x/a"), derived("x/url", a="x/a")], [None, DELETED])
        assert [str(each) for each in plan.changes] == [
            "create secret-value x/a",
            "update derived-secret x/url",
        ]
        assert (plan.missing, plan.ended) == ((), {})

    def test_derived_value_is_not_composed_of_an_ended_part(self) -> None:
        plan = make_plan([given("x/a"), derived("x/url", a="x/a")], [DELETED, {"value": OUTDATED}])
        assert (plan.changes, plan.missing) == ((), ("x/a", "x/url"))
        assert plan.ended == {"x/a": "version 3 is deleted"}


class TestOutdated:
    """A derived value, a part of which is written in the same plan."""

    CURRENT = {"value": "current"}  # noqa: RUF012 (never changed)

    def test_derived_value_is_updated_when_a_part_is_written(self) -> None:
        made = derived("x/url", a="x/a", b="x/b")
        plan = make_plan([given("x/a"), made], [None, self.CURRENT])
        assert plan.changes[1] == Change(
            Action.UPDATE,
            made,
            {"value": "outdated"},
            (FieldChange("value", "outdated", "current"),),
        )

    def test_derived_value_is_unchanged_when_other_values_are_written(self) -> None:
        plan = make_plan([given("x/c"), derived("x/url", a="x/a")], [None, self.CURRENT])
        assert len(plan.changes) == 1

    def test_derived_value_of_a_derived_value_is_updated(self) -> None:
        chain: list[Resource] = [given("x/a"), derived("x/b", a="x/a"), derived("x/c", b="x/b")]
        plan = make_plan(chain, [None, self.CURRENT, self.CURRENT])
        assert [each.resource.name for each in plan.changes] == ["x/a", "x/b", "x/c"]

    def test_derived_value_ignores_a_policy_named_as_a_part(self) -> None:
        plan = make_plan([thing("x/a", a=1), derived("x/url", a="x/a")], [None, self.CURRENT])
        assert len(plan.changes) == 1


class TestReadState:
    """Reading with several threads."""

    def test_read_state_keeps_the_order_of_the_declaration(self) -> None:
        things = [
            Thing("policy" if number % 3 else "mount", str(number), {}, {"n": number})
            for number in range(100)
        ]
        found = read_state(READER, things, workers=4)
        assert found == [{"n": number} for number in range(100)]

    def test_read_state_returns_none_for_a_missing_resource(self) -> None:
        assert read_state(READER, [thing(), Thing("mount", "b", {}, {})]) == [None, {}]

    def test_read_state_without_resources_returns_an_empty_list(self) -> None:
        assert read_state(READER, []) == []

    def test_read_state_raises_the_first_error_and_ends_its_threads(self) -> None:
        things = [thing(), Thing("policy", "b", {}, ServerFault("away"))]
        with pytest.raises(ServerFault, match="away"):
            read_state(READER, things, workers=2)
        assert not [each for each in threading.enumerate() if each.name.startswith("plan")]


def test_plan_counts_changes_by_action() -> None:
    plan = make_plan([thing("a", x=1), thing("b", x=1), thing("c", x=1)], [None, {"x": 2}, None])
    assert [plan.count(action) for action in Action] == [2, 1, 0]


def test_plan_digest_is_computed_on_access() -> None:
    asked: list[str] = []

    def hashed() -> str:
        asked.append("once")
        return "digest"

    plan = Plan((), 0, (), hashed=hashed)
    assert asked == []
    assert plan.digest == "digest"
    assert Plan((), 0, ()).digest == ""


class TestWaves:
    """Order of changes."""

    def describe(self, *items: Change) -> list[list[str]]:
        return [[str(each) for each in wave] for wave in group_into_waves(items)]

    def change(self, kind: str, name: str = "a", action: Action = Action.CREATE) -> Change:
        return Change(action, Thing(kind, name, {}), None, ())

    def test_waves_put_each_kind_after_its_dependencies(self) -> None:
        groups = group_into_waves([self.change(kind) for kind in DEPENDENCIES])
        place = {change.kind: index for index, group in enumerate(groups) for change in group}
        for kind, others in DEPENDENCIES.items():
            assert all(place[other] < place[kind] for other in others), kind

    def test_dependency_depth_is_the_longest_chain(self) -> None:
        assert dependency_depth("mount") == 0
        assert dependency_depth("kv-config") == 1
        assert dependency_depth("adopted-secret") == 1 + max(
            dependency_depth("secret-metadata"), dependency_depth("static-role")
        )
        assert dependency_depth("derived-secret") == max(map(dependency_depth, DEPENDENCIES))

    def test_waves_split_only_derived_values_of_one_kind(self) -> None:
        assert self.describe(self.change("policy", "a"), self.change("policy", "b")) == [
            ["create policy a", "create policy b"]
        ]
        assert self.describe(
            self.change("derived-secret", "b"), self.change("derived-secret", "a")
        ) == [["create derived-secret b"], ["create derived-secret a"]]

    def test_waves_put_deletions_last_and_in_reverse(self) -> None:
        gone = Action.DELETE
        assert self.describe(
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

    def test_waves_put_the_last_kind_before_deletions(self) -> None:
        last = max(DEPENDENCIES, key=dependency_depth)
        removed = self.change(last, "old", Action.DELETE)
        assert group_into_waves([removed, self.change(last)]) == [[self.change(last)], [removed]]

    def test_prunable_kinds_are_in_the_order(self) -> None:
        assert set(PRUNABLE) <= set(DEPENDENCIES)


def orphan(kind: str, name: str) -> Orphan:
    return Orphan(kind, name, f"note/{name}")


class TestDeletions:
    """Orphans that a plan deletes."""

    PLAN = Plan((), 3, ())
    FOUND = (
        orphan("policy", "old-dev"),
        orphan("transit-key", "old-dev-pii"),
        Orphan("secret-metadata", "old/dev/key", None),
    )

    def names(self, plan: Plan) -> list[str]:
        return [str(each) for each in plan.changes]

    def test_orphan_with_data_is_kept_and_listed(self) -> None:
        plan = add_deletions(self.PLAN, self.FOUND, ())
        assert self.names(plan) == ["delete policy old-dev"]
        assert plan.kept == ("secret/old/dev/key", "transit/old-dev-pii")
        assert (plan.unchanged, plan.absent) == (3, ())

    def test_orphan_with_data_is_deleted_by_its_full_name(self) -> None:
        plan = add_deletions(self.PLAN, self.FOUND, ["transit/old-dev-pii"])
        assert self.names(plan) == ["delete policy old-dev", "delete transit-key old-dev-pii"]
        assert plan.kept == ("secret/old/dev/key",)

    def test_deletions_follow_the_planned_changes(self) -> None:
        planned = make_plan([thing(a=1)], [None])
        plan = add_deletions(planned, self.FOUND, ())
        assert plan.changes[0] is planned.changes[0]
        assert plan.changes[1].is_deletion
        assert not plan.changes[0].is_deletion

    def test_destroy_of_unknown_data_is_rejected(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            add_deletions(self.PLAN, self.FOUND, ["transit/b", "transit/a"])
        assert str(caught.value) == (
            "--destroy-data transit/a: no managed data of that name is undeclared "
            "(expected secret/old/dev/key or transit/old-dev-pii)"
        )

    def test_destroy_without_orphaned_data_says_that_nothing_is_left(self) -> None:
        with pytest.raises(ConfigurationError, match="none: nothing is left to destroy"):
            add_deletions(self.PLAN, self.FOUND[:1], ["transit/a"])

    def test_destroy_of_deleted_data_is_accepted(self) -> None:
        plan = add_deletions(self.PLAN, self.FOUND[:1], ["transit/a"], ["transit/a"])
        assert plan.absent == ("transit/a",)
        assert self.names(plan) == ["delete policy old-dev"]

    def test_destroy_of_existing_data_is_not_reported_as_deleted(self) -> None:
        name = "transit/old-dev-pii"
        plan = add_deletions(self.PLAN, self.FOUND, [name], [name])
        assert plan.absent == ()
        assert replace(plan, changes=()).kept == ("secret/old/dev/key",)


def test_field_that_the_server_does_not_return_is_named_and_no_change() -> None:
    plan = make_plan([thing(period=90)], [{"period": UNREPORTED}])
    assert (plan.changes, plan.unchanged) == ((), 1)
    assert plan.not_compared == ("policy a: period",)


def test_field_that_the_server_does_not_return_does_not_hide_another() -> None:
    plan = make_plan([thing(period=90, owner="me")], [{"period": UNREPORTED, "owner": "you"}])
    assert [change.fields for change in plan.changes] == [(FieldChange("owner", "you", "me"),)]
    assert plan.not_compared == ("policy a: period",)


def test_derived_value_of_a_changed_part_keeps_what_else_the_server_has() -> None:
    part = SecretValue("part", available=True, get_value=lambda: Secret("x"))
    whole = DerivedValue("whole", "{part}", {"part": "part"})
    plan = make_plan([part, whole], [None, {"value": "current", "version": "v1"}])
    assert plan.changes[1].before == {"value": "outdated", "version": "v1"}
