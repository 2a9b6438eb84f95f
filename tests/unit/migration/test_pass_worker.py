"""Loop of a pass_worker, with a clock of the test's own."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from migration.pace import Pace
from migration.passes import pass_worker
from migration.passes.throttle import Reading
from migration.passes.work_reports import Work, WorkReport


@dataclass
class Machine:
    """A machine on which a batch takes 0.1 s and a probe 1 ms; its lists are used from the end."""

    free: list[bool]
    readings: list[Reading] = field(default_factory=list)
    probe_seconds: float = 0.001
    now: float = 0.0
    sleeps: list[float] = field(default_factory=list)
    reports: list[tuple[Work, float, str | None]] = field(default_factory=list)

    def site(self) -> pass_worker.Site:
        return pass_worker.Site(
            run_batch=self.run_batch,
            is_done=lambda: not self.free,
            throttle=lambda: self.readings.pop() if self.readings else Reading(),
            probe=lambda: self.pass_time(self.probe_seconds),
            clock=lambda: self.now,
            sleep=self.sleep,
            report=lambda *report: self.reports.append(report),
        )

    def run_batch(self) -> int | None:
        if not self.free.pop():
            return None
        self.now += 0.1
        return 50

    def pass_time(self, seconds: float) -> float:
        self.now += seconds
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


def test_worker_pauses_after_each_batch() -> None:
    machine = Machine([True] * 3)
    assert pass_worker.run(machine.site(), Pace([0.001], 0.5)) == 3
    assert machine.sleeps == pytest.approx([0.1] * 3)


def test_worker_slows_down_while_probes_are_slow() -> None:
    machine = Machine([True] * 4)
    pace = Pace(pass_worker.measure_probes(machine.site(), 5), 0.5)
    machine.probe_seconds = 0.01
    pass_worker.run(machine.site(), pace)
    assert sorted(machine.sleeps) == machine.sleeps
    assert machine.sleeps[-1] > 0.3


def test_held_worker_runs_no_batch() -> None:
    machine = Machine([True], readings=[Reading("paused")] * 2)
    assert pass_worker.run(machine.site(), Pace([0.001], 1.0)) == 1
    assert machine.sleeps[:2] == [1.0, 1.0]


def test_worker_keeps_to_the_duty_of_the_throttle() -> None:
    slow = Reading(duty=0.1)
    machine = Machine([True] * 4, readings=[Reading(), slow, slow, Reading()])
    assert pass_worker.run(machine.site(), Pace([0.001], 0.5)) == 4
    first, *others = machine.sleeps
    assert (first, *others) == pytest.approx((0.1, 0.9, 0.9, 0.1))


def test_duty_that_changes_during_a_pause_ends_it() -> None:
    machine = Machine([True] * 2, readings=[Reading(), Reading(duty=0.5), Reading()])
    assert pass_worker.run(machine.site(), Pace([0.001], 0.01)) == 2
    assert machine.sleeps[0] == 1.0
    assert machine.now == pytest.approx(0.1 + 0.001 + 1.0 + 0.1 + 0.001 + 9.9)


def test_worker_waits_for_the_ranges_of_others() -> None:
    machine = Machine([True, False])
    assert pass_worker.run(machine.site(), Pace([0.001], 1.0)) == 1
    assert machine.sleeps[0] == 1.0


@pytest.mark.parametrize("duty", [0.01, 0.1, 0.5, 1.0])
def test_worker_reports_its_rate_at_each_duty(duty: float) -> None:
    machine = Machine([True] * 20)
    pass_worker.run(machine.site(), Pace([0.001], duty))
    work, now, held = machine.reports[-1]
    assert (now, held) == (duty, None)
    assert report(work, duty).rate == pytest.approx(20 * 50 / machine.now, rel=0.05)


def report(work: Work, duty: float) -> WorkReport:
    return WorkReport("one/1", work.rows, work.busy + work.other, work.paused, duty, None)


def test_rate_follows_a_change_of_the_duty_at_once() -> None:
    readings = [Reading(duty=0.5), *[Reading()] * 10]
    machine = Machine([True] * 11, readings=readings)
    pass_worker.run(machine.site(), Pace([0.001], 0.1))
    work, now, _ = machine.reports[-1]
    assert now == 0.5
    assert report(work, now).rate == pytest.approx(50 / 0.201, rel=0.01)


def test_held_worker_reports_why() -> None:
    machine = Machine([True], readings=[Reading("paused")])
    pass_worker.run(machine.site(), Pace([0.001], 1.0))
    assert [held for _, _, held in machine.reports] == ["paused", None]
