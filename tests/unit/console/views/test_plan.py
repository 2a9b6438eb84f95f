from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from app_integration.auth.methods import StaticToken
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from app_integration.secret import Secret
from app_integration.session.session import Session
from console.target.environment_plan import PlanOptions, build_vault_plan
from console.target.target import open_target
from console.views.plan import progress, show_plan
from vault.reconcile.planning import plan_file
from vault.reconcile.planning.apply import ApplyFailed, apply
from vault.reconcile.planning.build import Prune
from vault.reconcile.planning.dependencies import DEPENDENCIES, group_into_waves
from vault.reconcile.planning.plan import Action, Change, Plan, make_plan
from vault.reconcile.planning.prune import Orphan
from vault.reconcile.resources import select_fields
from vault.reconcile.resources.policies import PolicyText


@pytest.fixture
def session() -> Iterator[Session]:
    """Open a session on an address without a server."""
    with Session("http://127.0.0.1:9", StaticToken(Secret("none"))) as opened:
        yield opened


@dataclass(frozen=True)
class Thing:
    """A resource that is on no server."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=lambda: {"x": 1})
    kind: str = "approle"

    def desired(self) -> Mapping[str, Any]:
        return self.fields

    def read(self, reader: object) -> None:
        pytest.fail(f"printing a plan must not read with {reader}")

    def write(self, session: object, before: object) -> None:
        pytest.fail(f"printing a plan must not write: {session}, {before}")


PLAN = Plan(
    (
        *make_plan([Thing("new", {"token_ttl": 900, "name": "[red]x"})], [None]).changes,
        *make_plan(
            [Thing("old", {"token_ttl": 3600, "token_policies": ["a"], "owner": None})],
            [{"token_ttl": 900, "token_policies": ["b"], "owner": "me"}],
        ).changes,
        *make_plan(
            [Thing("shop", {"policy": PolicyText("# one\npath 1 {\n}")}, "policy")],
            [{"policy": PolicyText("# one\npath 2 {\n}")}],
        ).changes,
        Change(Action.DELETE, Orphan("approle", "gone", None), {}, ()),
    ),
    unchanged=5,
    missing=("shop/prod/url", "shop/prod/jwt"),
    kept=("transit/shop-prod-old",),
    absent=("secret/shop/prod/old",),
    not_compared=("kms-key shop-prod-pii: rotation_period",),
    lost_keys=("shop-prod-pii",),
    ended={"shop/prod/jwt": "version 3 is deleted"},
    hashed=lambda: "d1",
)


def shown(plan: Plan, **options: Any) -> str:
    console = Console(width=200, **options)
    with console.capture() as capture:
        show_plan(console, plan)
    return capture.get()


def test_plan_lists_additions_changes_and_deletions() -> None:
    assert (
        shown(PLAN)
        == """\
+ approle new
    token_ttl: 15m
    name: '[red]x'
~ approle old
    token_ttl: 15m → 1h
    token_policies: ['b'] → ['a']
    owner: 'me' → absent
~ policy shop
    policy:
      @@ -1,3 +1,3 @@
       # one
      -path 2 {
      +path 1 {
       }
- approle gone
! secret shop/prod/url has no value: write it with strongroom put url --service shop --env prod
! secret shop/prod/jwt has no value: version 3 is deleted; undelete it, or write it again \
(Runbook: 'A secret was deleted by mistake')
! transit-key shop-prod-pii was made before, and does not exist: a new key decrypts nothing of \
it; restore the server's storage, unless an apply was interrupted
! transit/shop-prod-old is orphaned, but has data: \
delete it with --destroy-data transit/shop-prod-old
! secret/shop/prod/old is already deleted: nothing to destroy
! kms-key shop-prod-pii: rotation_period is not compared: the server does not return it
Plan: 1 to create, 2 to change, 1 to delete, 5 unchanged, 2 without a value, 1 kept.
"""
    )


def test_plan_escapes_control_characters() -> None:
    text = "# \x1b[1A\x1b[2K\u202e\tone\npath 1 {\n}"
    plan = Plan(
        make_plan(
            [Thing("shop", {"policy": PolicyText("path 2 {}")}, "policy")],
            [{"policy": PolicyText(text)}],
        ).changes,
        unchanged=0,
        missing=(),
    )
    printed = shown(plan, force_terminal=True, color_system=None)
    assert r"-# \x1b[1A\x1b[2K\u202e" in printed
    assert not {"\x1b", "\u202e", "\t"} & set(printed)


def test_plan_shows_an_arn_as_it_is() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/prod/url-??????"
    plan = Plan(
        make_plan([Thing("shop", {"policy": PolicyText(arn)}, "policy")], [None]).changes,
        unchanged=0,
        missing=(),
    )
    assert arn in shown(plan)


def test_plan_on_a_terminal_has_colours_and_a_progress_bar() -> None:
    assert "\x1b[32m+ approle new" in shown(PLAN, force_terminal=True)
    console = Console(width=200, force_terminal=True)
    with console.capture() as capture, progress(console, PLAN) as on_change:
        for change in PLAN.changes:
            on_change(change)
    assert "4/4" in capture.get()
    assert "0:00:00" in capture.get()


def test_progress_without_a_terminal_is_a_line_per_change() -> None:
    console = Console(width=200)
    with console.capture() as capture, progress(console, PLAN) as on_change:
        on_change(PLAN.changes[0])
    assert capture.get() == "done: create approle new\n"


def test_saved_plan_is_rejected_after_any_change(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    prune = Prune(Environment.PROD, ("transit/shop-prod-old",))
    plan_file.save(file, plan_file.document(PLAN, Environment.PROD, prune))
    assert file.stat().st_mode & 0o777 == 0o600
    saved = plan_file.load(file)
    assert (saved.environment, saved.prune) == (Environment.PROD, prune)
    saved.require_current(PLAN)
    with pytest.raises(plan_file.PlanOutdated, match="the server changed"):
        saved.require_current(Plan(PLAN.changes, 5, (), hashed=lambda: "d2"))
    with pytest.raises(plan_file.PlanOutdated, match="the declaration changed"):
        saved.require_current(Plan(PLAN.changes[1:], 5, (), hashed=lambda: "d1"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', '{"format": 1}', "nonsense"])
def test_invalid_plan_file_is_rejected(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="plan"):
        plan_file.load(file)


def test_plan_of_a_newer_format_is_rejected_with_the_format_and_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    plan_file.save(file, {"format": 2, "environment": {"new": "shape"}})
    with pytest.raises(ConfigurationError) as caught:
        plan_file.load(file)
    assert str(caught.value) == (
        f"{file}: the plan has format 2, but this version reads 1; install a newer strongroom, "
        "or make a plan with plan --out"
    )


class Written(Thing):
    """A resource whose write does nothing."""

    def write(self, session: object, before: object) -> None:
        del session, before


class Unwritable(Thing):
    """A resource whose write fails."""

    def write(self, session: object, before: object) -> None:
        del session, before
        raise ConfigurationError("it cannot be written")


class Blocked(Written):
    """A resource that cannot be written, as is known before."""

    def check(self, before: object) -> None:
        del before
        raise ConfigurationError("no value is provided for [it]")


def test_change_that_cannot_be_written_is_shown_and_stops_apply_before_the_first_write(
    session: Session,
) -> None:
    plan = make_plan([Written("first", kind="policy"), Blocked("shop")], [None, None])
    assert "! create approle shop: no value is provided for [it]\nPlan: 2 to create" in shown(plan)
    done: list[Change] = []
    with pytest.raises(ApplyFailed) as caught:
        apply(session, plan, done.append)
    assert str(caught.value).splitlines() == [
        "create approle shop: no value is provided for [it]",
        "done before it: nothing",
        "fix this, then run the command again",
    ]
    assert done == []


def test_apply_failure_lists_20_changes_and_counts_the_rest(session: Session) -> None:
    things = [*(Written(f"p{number}", kind="policy") for number in range(25)), Unwritable("shop")]
    plan = make_plan(things, [None] * len(things))
    with pytest.raises(ApplyFailed) as caught:
        apply(session, plan, lambda _: None)
    lines = str(caught.value).splitlines()
    assert lines[:2] == ["create approle shop: it cannot be written", "done before it:"]
    assert len({line for line in lines if line.startswith("  create policy p")}) == 20
    assert lines[-2:] == ["  and 5 more", "fix this, then run the command again"]


def test_waves_follow_dependencies_and_end_with_deletions_in_reverse() -> None:
    def change(kind: str, action: Action) -> Change:
        return Change(action, Thing("x", kind=kind), None, ())

    changes = [
        change(kind, action) for action in reversed(Action) for kind in reversed([*DEPENDENCIES])
    ]
    order = [
        (each.is_deletion, each.kind)
        for wave in group_into_waves(changes)
        for each in wave
        if each.action != "update"
    ]
    for kind, needed in DEPENDENCIES.items():
        for other in needed:
            assert order.index((False, other)) < order.index((False, kind))
            assert order.index((True, kind)) < order.index((True, other))
    assert max(index for index, (removed, _) in enumerate(order) if not removed) < len(DEPENDENCIES)


def test_waves_of_a_kind_that_depends_on_itself_have_one_change_each() -> None:
    changes = [Change(Action.CREATE, Thing(n, kind="derived-secret"), None, ()) for n in "abc"]
    assert [[each.resource.name for each in wave] for wave in group_into_waves(changes)] == [
        ["a"],
        ["b"],
        ["c"],
    ]


def test_pick_converts_a_duration_text_to_the_declared_seconds() -> None:
    assert select_fields({"ttl": 3600, "name": "1h"}, {"ttl": "1h0m0s", "name": "1h"}) == {
        "ttl": 3600,
        "name": "1h",
    }


def test_widen_on_vault_is_refused_before_any_request(tmp_path: Path) -> None:
    session = Session("https://127.0.0.1:1", StaticToken(Secret("a-token")))
    with pytest.raises(ConfigurationError, match="dev is on Vault, and --widen is for"):
        build_vault_plan(open_target(root=tmp_path), session, PlanOptions(may_widen=True))
