"""Rates of workers and what is left of a pass, from what they have reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from migration.metrics import render_metrics
from migration.passes.ranges import PassProgress, count_left
from migration.passes.work_reports import Rest, Work, WorkReport
from migration.status import Status


def report(**changes: object) -> WorkReport:
    fields = {"worker": "one/1", "rows": 500.0, "busy": 1.25, "paused": 1.0, "duty": 0.5}
    return WorkReport(**{**fields, "held": None, **changes})  # type: ignore[arg-type] # of a test


@pytest.mark.parametrize(("duty", "paused"), [(1.0, 0.0), (0.5, 1.0), (0.01, 99.0)])
def test_pauses_of_another_duty_are_computed(duty: float, paused: float) -> None:
    work = Work().add(500, 1.0, 0.25, 3.0).at(duty)
    assert work.paused == pytest.approx(paused)


def test_later_batches_count_more() -> None:
    work = Work()
    for _ in range(300):
        work = work.add(500, 1.0, 0.0, 0.0)
    for _ in range(200):
        work = work.add(500, 0.1, 0.0, 0.0)
    assert work.rows / work.busy > 2 * (500 * 500 / 320)


def test_worker_without_a_batch_has_no_rate() -> None:
    assert Rest(1000.0, [report(rows=0.0, busy=0.0, paused=0.0)]).seconds is None


def test_time_left_is_that_of_all_workers() -> None:
    workers = [report(paused=0.0), report(paused=0.0), report(held="paused")]
    assert Rest(8000.0, workers).seconds == pytest.approx(10.0)
    assert Rest(8000.0).seconds is None


@pytest.mark.parametrize(
    ("sizes", "left"),
    [
        ((0, 0, 1000, 0), 1000),
        ((0, 0, 1000, 400), 600),
        ((2000, 2000, 1000, 400), 600),
        ((2000, 500, 1000, 100), 150),
        ((2000, 500, 1000, 400), 0),
        ((3000, 3000, 0, 0), 0),
    ],
)
def test_rows_left_follow_the_part_that_needed_something(
    sizes: tuple[int, ...], left: float
) -> None:
    assert count_left(*sizes) == left


def test_metrics_have_what_is_known() -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    rest = Rest(8000.0, [report(paused=0.0), report(held="paused")])
    status = Status(None, "backfill 1", PassProgress(2, 1, 20_000, 0), rest, (), ())
    lines = render_metrics("prod", "users", status, now).decode().splitlines()
    labels = '{environment="prod",migration="users",pass="backfill 1"}'
    assert [each for each in lines if not each.startswith("#")][1:] == [
        f"strongroom_migration_left_rows{labels} 8000.0",
        f"strongroom_migration_rows_per_second{labels} 400.0",
        f"strongroom_migration_workers{labels} 1.0",
        f"strongroom_migration_duty{labels} 0.5",
        f"strongroom_migration_left_seconds{labels} 20.0",
    ]
    held = replace(status, rest=Rest(8000.0))
    assert b"left_seconds" not in render_metrics("prod", "users", held, now)
