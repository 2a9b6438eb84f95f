"""The state machine: order, repetition, undoing, and an emergency."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from app_integration.errors import ConfigurationError, Unreachable
from app_integration.session.session import Session
from vault.rotation.consumers.evidence_type import Consumer, Evidence, Proof
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.record import Record, RecordStore, Step
from vault.rotation.rotation import Rotation

TIME = datetime(2026, 11, 27, 21, 0, tzinfo=UTC)
ITEM = Item(Kind.SECRET, "shop", "token", "shop/dev/token", 60, is_declared=True)
HELD = Evidence(Proof.AUDIT_LOG, waiting=(Consumer("shop-dev", "read version 1"),))


@dataclass
class World:
    """Steps that write down their names, and the record in memory."""

    evidence: Evidence = HELD
    fails: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    record: Record | None = None
    item: Item = ITEM
    ids: int = 0
    others: dict[str, Callable[[], object]] = field(default_factory=dict)
    announce_for: timedelta | None = None
    now: datetime = TIME

    def read(self) -> Record | None:
        return self.record

    def write(
        self, _session: Session, record: Record, check: Callable[[Record | None], None]
    ) -> None:
        check(self.read())
        self.record = Record.parse(record.render(), "x")

    def pending(self, _session: Session) -> World:
        return self

    def claim(self, *_of: object) -> AbstractContextManager[None]:
        return nullcontext()

    def call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.others:
            self.others.pop(name)()
        if name in self.fails:
            raise Unreachable(f"{name} failed")

    def start(self, record: Record) -> Record:
        self.call("start")
        return replace(record, old="1")

    def step(self, name: str, record: Record) -> Record:
        self.call(name)
        return record

    def find_consumers(self, _record: Record) -> Evidence:
        self.call("find_consumers")
        return self.evidence

    def undo(self, _record: Record) -> None:
        self.call("undo")

    def __getattr__(self, name: str) -> Any:
        return lambda record: self.step(name, record)

    def new_record(self) -> Record:
        self.ids += 1
        return Record(str(self.ids), Step.CREATE, TIME)

    def rotation(self) -> Rotation:
        return Rotation(
            steps=self,
            store=cast("RecordStore", self),
            session=cast("Session", None),
            clock=lambda: self.now,
            new_record=self.new_record,
            report=lambda _step, _record: None,
        )


UNTIL_CONSUMERS = ["start", "create", "set", "test", "promote", "find_consumers"]


def test_rotation_waits_for_a_consumer_and_then_retires() -> None:
    world = World()
    assert world.rotation().run().evidence is HELD
    assert world.calls == UNTIL_CONSUMERS
    world.evidence = Evidence(Proof.AUDIT_LOG, not_before=TIME)
    assert world.rotation().run().record.step is Step.DONE
    assert world.calls == [*UNTIL_CONSUMERS, "find_consumers", "retire"]


def test_rotation_waits_for_the_grace_without_a_consumer() -> None:
    world = World(Evidence(Proof.TIME, not_before=TIME + timedelta(seconds=1)))
    assert world.rotation().run().record.step is Step.CONSUMERS


@pytest.mark.parametrize("step", ["create", "set", "test", "promote", "find_consumers", "retire"])
def test_failed_step_is_repeated_by_the_next_run(step: str) -> None:
    world = World(Evidence(Proof.TIME), fails={step})
    with pytest.raises(Unreachable):
        world.rotation().run()
    world.fails.clear()
    assert world.rotation().run().record.step is Step.DONE
    assert [world.calls.count(each) for each in (step, "start")] == [2, 1]


def test_undone_rotation_is_undone_by_the_next_run() -> None:
    world = World(fails={"undo"})
    world.rotation().run()
    with pytest.raises(Unreachable):
        world.rotation().undo()
    world.fails.clear()
    assert world.rotation().run().record.step is Step.UNDONE


def test_rotation_whose_old_value_is_being_retired_cannot_be_undone() -> None:
    world = World(Evidence(Proof.TIME), fails={"retire"})
    with pytest.raises(Unreachable):
        world.rotation().run()
    with pytest.raises(ConfigurationError, match="is being retired, so that nothing can be undone"):
        world.rotation().undo()
    assert "undo" not in world.calls


def test_compromised_value_is_retired_whoever_uses_it() -> None:
    world = World()
    result = world.rotation().run(is_compromised=True)
    assert (result.record.step, result.evidence) == (Step.DONE, HELD)
    assert world.calls == [*UNTIL_CONSUMERS, "retire"]


def test_readers_are_listed_again_if_the_emergency_was_killed_in_between() -> None:
    world = World(fails={"retire"})
    with pytest.raises(Unreachable):
        world.rotation().run(is_compromised=True)
    world.fails.clear()
    assert world.rotation().run().evidence is HELD


def test_value_promoted_before_the_emergency_is_replaced_as_well() -> None:
    world = World()
    world.rotation().run()
    world.fails.add("retire")
    with pytest.raises(Unreachable):
        world.rotation().run(is_compromised=True)
    world.fails.clear()
    done = world.rotation().run().record
    assert (done.id, done.step, done.is_compromised) == ("2", Step.DONE, True)
    assert world.calls.count("retire") == 3


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("is_compromised", [False, True])
@pytest.mark.parametrize("step", [step for step in Step if not step.is_end])
def test_emergency_replaces_what_a_rotation_before_it_may_have_made_current(
    step: Step, kind: Kind, *, is_compromised: bool
) -> None:
    promoted = TIME if step in {Step.CONSUMERS, Step.RETIRE} else None
    before = replace(Record("0", step, TIME), promoted=promoted, is_compromised=is_compromised)
    world = World(record=before, item=replace(ITEM, kind=kind))
    done = world.rotation().run(is_compromised=True).record
    is_pending = kind in {Kind.SECRET, Kind.USER_PAIR, Kind.SECRET_ID} and step in {
        *(Step.CREATE, Step.SET, Step.TEST)
    }
    assert (done.step, done.is_compromised) == (Step.DONE, True)
    assert (done.id, world.calls.count("retire")) == (("0", 1) if is_pending else ("1", 2))


def test_emergency_killed_between_its_rotations_is_continued_by_any_run() -> None:
    record = replace(Record("0", Step.DONE, TIME), is_compromised=True, is_repeated=True)
    world = World(record=record)
    done = world.rotation().run().record
    assert (done.id, done.step, done.is_compromised) == ("1", Step.DONE, True)
    assert not world.rotation().run().record.is_compromised


def test_emergency_during_an_undo_ends_it_and_begins_another_rotation() -> None:
    world = World(fails={"undo"})
    world.rotation().run()
    with pytest.raises(Unreachable):
        world.rotation().undo()
    world.fails.clear()
    done = world.rotation().run(is_compromised=True).record
    assert (done.id, done.step, done.is_compromised) == ("2", Step.DONE, True)


def test_run_stops_if_another_process_undoes_the_rotation_meanwhile() -> None:
    world = World(Evidence(Proof.TIME))
    world.others["find_consumers"] = lambda: world.rotation().undo()
    with pytest.raises(ConfigurationError, match="another run has changed the rotation of token"):
        world.rotation().run()
    assert (world.record and world.record.step, world.calls[-1]) == (Step.UNDONE, "undo")


def test_undo_stops_if_another_process_begins_to_retire_meanwhile() -> None:
    world = World()
    world.rotation().run()
    retiring = replace(world.rotation().steps.start(world.new_record()), step=Step.RETIRE)
    reads = iter((world.record, retiring))
    world.read = lambda: next(reads)  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match="another run has changed"):
        world.rotation().undo()
    assert "undo" not in world.calls


def test_run_that_another_process_overtakes_executes_no_further_step() -> None:
    world = World(Evidence(Proof.TIME))
    world.others["create"] = lambda: world.rotation().run()
    with pytest.raises(ConfigurationError, match="another run has changed"):
        world.rotation().run()
    assert [world.calls.count(each) for each in ("start", "set", "promote")] == [1, 1, 1]


@pytest.mark.parametrize("is_undone", [True, False])
def test_wait_ends_with_the_rotation_and_begins_no_other_one(*, is_undone: bool) -> None:
    world = World()
    waiting = world.rotation().run().record
    if is_undone:
        world.rotation().undo()
    else:
        world.evidence = Evidence(Proof.TIME)
        world.rotation().run()
    result = world.rotation().resume(waiting)
    assert result.record.step is (Step.UNDONE if is_undone else Step.DONE)
    assert world.calls.count("start") == 1


def test_wait_ends_if_another_rotation_has_begun_meanwhile() -> None:
    world = World()
    waiting = world.rotation().run().record
    world.rotation().undo()
    world.rotation().run()
    with pytest.raises(ConfigurationError, match="another run has changed"):
        world.rotation().resume(waiting)


@pytest.mark.parametrize("other", [Proof.METRIC, Proof.AUDIT_LOG])
def test_grace_period_of_a_metric_begins_when_nobody_waits_any_more(other: Proof) -> None:
    grace = timedelta(hours=1)
    waiting = replace(HELD, proof=Proof.METRIC, grace=grace)
    world = World(evidence=waiting)
    now = [TIME]
    rotation = replace(world.rotation(), clock=lambda: now[0])
    assert rotation.run().record.moved is None
    now[0], world.evidence = TIME + timedelta(days=3), replace(waiting, waiting=())
    seen = rotation.run()
    assert (seen.record.step, seen.record.moved) == (Step.CONSUMERS, now[0])
    assert seen.evidence is not None
    assert seen.evidence.not_before == now[0] + grace
    now[0] += timedelta(minutes=30)
    # A target has come back with the old version, or a log shows one that no metric does.
    world.evidence = waiting if other is Proof.METRIC else replace(HELD, proof=other)
    assert rotation.run().record.moved is None
    world.evidence = replace(waiting, waiting=())
    assert rotation.run().record.moved == now[0]
    now[0] += grace
    assert rotation.run().record.step is Step.DONE


ANNOUNCED = ["start", "create", "set", "test", "announce"]
HOUR = timedelta(hours=1)


@pytest.fixture
def signing() -> World:
    """Return the steps of a value that is announced for an hour, and that nothing waits for."""
    return World(Evidence(Proof.TIME), announce_for=HOUR)


def test_signing_key_is_announced_before_it_is_promoted(signing: World) -> None:
    waiting = signing.rotation().run()
    assert (waiting.record.step, waiting.record.announced) == (Step.PROMOTE, TIME)
    assert (waiting.announced_until, waiting.evidence) == (TIME + HOUR, None)
    signing.now += HOUR - timedelta(seconds=1)
    assert signing.rotation().resume(waiting.record).announced_until == TIME + HOUR
    assert signing.calls == ANNOUNCED
    signing.now += timedelta(seconds=1)
    assert signing.rotation().run().record.step is Step.DONE
    assert signing.calls == [*ANNOUNCED, "promote", "find_consumers", "retire"]


def test_failed_announcement_is_repeated_and_counts_from_its_end(signing: World) -> None:
    signing.fails.add("announce")
    with pytest.raises(Unreachable):
        signing.rotation().run()
    signing.fails.clear()
    signing.now += HOUR
    assert signing.rotation().run().announced_until == TIME + 2 * HOUR


def test_record_from_before_announcements_is_continued_by_one(signing: World) -> None:
    signing.record = replace(signing.new_record(), step=Step.PROMOTE, old="1")
    assert signing.rotation().run().record.announced == TIME
    assert signing.calls == ["announce"]


def test_announced_rotation_can_be_undone(signing: World) -> None:
    signing.rotation().run()
    assert signing.rotation().undo().step is Step.UNDONE


def test_emergency_announces_nothing(signing: World) -> None:
    assert signing.rotation().run(is_compromised=True).record.step is Step.DONE
    assert "announce" not in signing.calls


def test_emergency_replaces_a_value_that_was_announced(signing: World) -> None:
    signing.rotation().run()
    done = signing.rotation().run(is_compromised=True).record
    assert (done.id, done.step, signing.calls.count("announce")) == ("2", Step.DONE, 1)
    assert signing.calls.count("promote") == 2
