"""The benchmarks' arithmetic: what counts as worse, and which turn counts."""

from __future__ import annotations

import pytest

from benchmarks.quick import worse
from benchmarks.ratio import Case, Result, Run, measure, repeated


def result(ratio: float, bar: float | None = None) -> Result:
    case = Case("read", repeated(dict), repeated(dict), "floor", bar=bar)
    return Result(case, subject=ratio, floor=1.0)


@pytest.mark.parametrize(("ratio", "is_worse"), [(1.0, False), (2.4, False), (2.6, True)])
def test_a_quarter_more_than_committed_is_worse(ratio: float, is_worse: bool) -> None:
    assert worse(result(ratio), {"read": 2.0}) is is_worse


def test_what_was_never_committed_is_never_worse() -> None:
    assert not worse(result(99.0), {})


def test_a_bar_is_kept_up_to_its_own_figure() -> None:
    assert result(1.5, bar=1.5).holds
    assert not result(1.51, bar=1.5).holds
    assert result(99.0).holds


def test_the_fastest_turn_of_each_counts_whatever_else_the_machine_does() -> None:
    now, hiccups = 0.0, iter([0.5, 0.0, 3.0, 0.0, 0.0, 0.7] * 100)

    def taking(seconds: float) -> Run:
        def run(times: int) -> None:
            nonlocal now
            now += times * seconds + next(hiccups)

        return run

    case = Case("twice", taking(2e-6), taking(1e-6), "once")
    found = measure(case, turns=9, clock=lambda: now)
    assert found.ratio == pytest.approx(2)
    assert found.subject == pytest.approx(2e-6)
