"""Pace of a backfill, by the durations of probes."""

from __future__ import annotations

import pytest

from migration.pace import DEFAULT_DUTY, MIN_DUTY, Pace

BEFORE = [0.001, 0.001, 0.002, 0.001, 0.040]
FAST, SLOW = 0.0012, 0.0021


def pace(*observed: float, duty: float = DEFAULT_DUTY) -> Pace:
    found = Pace(BEFORE, duty)
    for seconds in observed:
        found.observe(seconds)
    return found


def test_pause_leaves_the_declared_part_of_the_time() -> None:
    assert pace().pause_after(0.05) == pytest.approx(0.45)
    assert pace(duty=1.0).pause_after(0.05) == 0


def test_single_slow_probe_changes_nothing() -> None:
    assert pace(FAST, FAST, SLOW, FAST).duty == DEFAULT_DUTY


def test_slow_probes_slow_the_worker_down_and_fast_ones_bring_it_back() -> None:
    slowed = pace(*[FAST] * 3, *[SLOW] * 9)
    assert MIN_DUTY <= slowed.duty < DEFAULT_DUTY / 2
    for _ in range(200):
        slowed.observe(FAST)
    assert slowed.duty == DEFAULT_DUTY


def test_probes_that_nobody_notices_slow_no_worker_down() -> None:
    found = Pace([0.0004] * 5, 0.5)
    for _ in range(20):
        found.observe(0.0015)
    assert found.duty == 0.5
    for _ in range(20):
        found.observe(0.0025)
    assert found.duty < 0.1


def test_worker_never_stops_for_good() -> None:
    assert pace(*[1.0] * 100).duty == MIN_DUTY


def test_worker_that_may_work_all_the_time_is_not_slowed_down() -> None:
    assert pace(*[SLOW] * 20, duty=1.0).duty == 1


def test_worker_that_may_no_longer_work_all_the_time_slows_down() -> None:
    found = pace(*[SLOW] * 20, duty=1.0)
    found.limit_duty(0.5)
    found.observe(SLOW)
    assert found.duty < 0.5


def test_limit_applies_at_once_and_can_be_lifted() -> None:
    found = pace(duty=0.5)
    found.limit_duty(0.2)
    assert found.duty == 0.2
    found.limit_duty(1.0)
    assert found.duty == 1.0


def test_limit_that_stays_brings_no_slowed_worker_back() -> None:
    found = pace(*[SLOW] * 9, duty=0.5)
    slowed = found.duty
    found.limit_duty(0.5)
    assert found.duty == slowed < 0.5
    found.limit_duty(0.4)
    assert found.duty == slowed


def test_limit_that_is_removed_leaves_the_duty_of_the_start() -> None:
    found = pace(duty=0.5)
    found.limit_duty(0.01)
    found.limit_duty(None)
    assert found.duty == 0.5
