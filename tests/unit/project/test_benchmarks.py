"""Arithmetic of the benchmarks: the comparison with committed ratios, and the fastest turn."""

from __future__ import annotations

import pytest

from benchmarks.quick import is_worse
from benchmarks.ratio import Case, Result, Run, measure, repeated


def result(ratio: float, bar: float | None = None) -> Result:
    case = Case("read", repeated(dict), repeated(dict), "floor", bar=bar)
    return Result(case, subject=ratio, floor=1.0)


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, False), (2.4, False), (2.6, True)])
def test_is_worse_above_a_quarter_more_than_committed(ratio: float, expected: bool) -> None:
    assert is_worse(result(ratio), {"read": 2.0}) is expected


def test_is_worse_without_a_committed_ratio_is_false() -> None:
    assert not is_worse(result(99.0), {})


def test_result_equal_to_the_bar_is_within_it() -> None:
    assert result(1.5, bar=1.5).is_within_bar
    assert not result(1.51, bar=1.5).is_within_bar
    assert result(99.0).is_within_bar


def test_measure_counts_the_fastest_turn_of_each() -> None:
    now, delays = 0.0, iter([0.5, 0.0, 3.0, 0.0, 0.0, 0.7] * 100)

    def taking(seconds: float) -> Run:
        def run(times: int) -> None:
            nonlocal now
            now += times * seconds + next(delays)

        return run

    case = Case("twice", taking(2e-6), taking(1e-6), "once", clock=lambda: now)
    found = measure(case, turns=9)
    assert found.ratio == pytest.approx(2)
    assert found.subject == pytest.approx(2e-6)
