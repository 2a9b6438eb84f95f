"""Pauses after failures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.backoff import FIRST_PAUSE, LONGEST_PAUSE, backoff


@pytest.mark.parametrize(
    ("failures", "chance", "pause"),
    [(1, 0.0, 1.0), (1, 0.99, 1.0), (3, 0.0, 2.0), (3, 0.5, 3.0), (7, 0.0, 30.0), (99, 0.5, 45.0)],
)
def test_the_pause_doubles_with_each_failure(failures: int, chance: float, pause: float) -> None:
    assert backoff(failures, chance) == pytest.approx(pause)


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_the_pause_is_bounded(failures: int, chance: float) -> None:
    assert FIRST_PAUSE <= backoff(failures, chance) <= LONGEST_PAUSE
