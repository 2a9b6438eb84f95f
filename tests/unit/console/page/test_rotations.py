"""View of rotations: their steps, whom they wait for, and what can be run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from console.page.copied_commands import Commands
from console.page.sources.rotation_states import RotationState
from console.page.views.rotations import (
    Underway,
    build_ended,
    build_tiles,
    build_underway,
    find_unreadable,
)
from tests.support.table_cells import texts
from vault.rotation.consumers.evidence_type import Consumer, Evidence, Proof
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Record, Step

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ITEM = Item(Kind.SECRET, "shop", "token", "shop/dev/token", 86_400, is_declared=True)
WAITING = Record("id", Step.CONSUMERS, NOW - HOUR, "1", "2", promoted=NOW - HOUR / 2)
WORKER = Consumer("shop-dev on web-1", "read version 1")
COMMAND = "strongroom rotate token --env dev --service shop --kind secret"


def build(*states: RotationState) -> list[Underway]:
    return build_underway(states, Commands("dev", is_local=True), NOW)


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        (None, "waits for its consumers"),
        (Evidence(Proof.AUDIT_LOG, waiting=(WORKER,)), "waits for 1 consumer"),
        (Evidence(Proof.AUDIT_LOG, waiting=(WORKER, WORKER)), "waits for 2 consumers"),
        (Evidence(Proof.TIME, not_before=NOW + HOUR), "in its grace period"),
        (Evidence(Proof.TIME, not_before=NOW), "can be ended now"),
    ],
)
def test_state_says_what_the_rotation_waits_for(evidence: Evidence | None, text: str) -> None:
    assert build(RotationState(ITEM, WAITING, evidence))[0].state.text == text


def test_consumers_have_what_was_seen_and_those_that_wait_are_first() -> None:
    evidence = Evidence(Proof.AUDIT_LOG, moved=(WORKER,), waiting=(replace(WORKER, detail="x"),))
    table = build(RotationState(ITEM, WAITING, evidence))[0].consumers
    rows = [("Waits for", "x"), ("Has moved", "read version 1")]
    assert texts(table, "State", "Seen") == rows


@pytest.mark.parametrize(
    ("kind", "step", "marks"),
    [
        (Kind.SECRET, Step.CREATE, "current later later later later later"),
        (Kind.SECRET, Step.CONSUMERS, "done done done done current later"),
        (Kind.KEY, Step.CONSUMERS, "done current later"),
        (Kind.KEY, Step.TEST, "done later later"),
    ],
)
def test_steps_are_done_current_or_later(kind: Kind, step: Step, marks: str) -> None:
    state = RotationState(replace(ITEM, kind=kind), replace(WAITING, step=step))
    assert [progress for _, progress in build(state)[0].steps] == marks.split()


@pytest.mark.parametrize(
    ("record", "commands"),
    [
        (WAITING, [COMMAND, f"{COMMAND} --undo", f"{COMMAND} --compromised"]),
        (replace(WAITING, step=Step.RETIRE), [COMMAND]),
        (replace(WAITING, is_compromised=True), [COMMAND]),
        (replace(WAITING, is_undone=True), [COMMAND]),
    ],
)
def test_commands_are_those_that_the_step_allows(record: Record, commands: list[str]) -> None:
    (underway,) = build(RotationState(ITEM, record))
    assert [command for command, _ in underway.commands] == commands


def test_command_for_a_leak_does_not_promise_to_retire_the_old_value_only() -> None:
    (underway,) = build(RotationState(ITEM, WAITING))
    command, what = underway.commands[-1]
    assert command == f"{COMMAND} --compromised"
    assert what == "After a leak: end the old and the new value at once, and create another"


def test_ended_rotations_are_in_the_order_of_their_end() -> None:
    done = replace(WAITING, step=Step.DONE, ended=NOW - HOUR)
    undone = replace(WAITING, step=Step.UNDONE, ended=NOW)
    fast = replace(done, is_compromised=True, ended=NOW - 2 * HOUR)
    states = [RotationState(ITEM, each) for each in (done, undone, fast)]
    rows = [("undone", "1h"), ("rotated", "0 s"), ("compromised, rotated", "0 s")]
    assert texts(build_ended(states, "dev"), "Result", "Took") == rows
    assert build(*states) == []


def test_record_or_evidence_that_cannot_be_read_says_why() -> None:
    damaged = RotationState(ITEM, None, problem="of another version")
    waiting = RotationState(ITEM, WAITING, problem="no log")
    (underway,) = build(damaged, waiting)
    assert find_unreadable([damaged, waiting]) == [damaged]
    assert underway.notes == ("no log",)


def test_rotation_that_waits_the_longest_is_first() -> None:
    later = replace(WAITING, promoted=None, started=NOW)
    states = [RotationState(ITEM, later), RotationState(ITEM, WAITING)]
    underway = build(*states)
    assert [each.record for each in underway] == [WAITING, later]
    assert [tile.text for tile in build_tiles(states, underway)] == ["2", "0", "2", "0"]
