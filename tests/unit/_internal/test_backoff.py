"""Tests of the backoff after failures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration._internal.backoff import BACKOFF_MAX, BACKOFF_MIN, backoff


@pytest.mark.parametrize(
    ("failures", "jitter", "seconds"),
    [(1, 0.0, 1.0), (1, 0.99, 1.0), (3, 0.0, 2.0), (3, 0.5, 3.0), (7, 0.0, 30.0), (99, 0.5, 45.0)],
)
def test_backoff_doubles_with_each_failure(failures: int, jitter: float, seconds: float) -> None:
    assert backoff(failures, jitter) == pytest.approx(seconds)


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 5.0), (0.5, 7.5)])
def test_backoff_has_the_highest_ceiling_of_its_caller(jitter: float, seconds: float) -> None:
    assert backoff(99, jitter, 10.0) == pytest.approx(seconds)


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_backoff_is_bounded(failures: int, jitter: float) -> None:
    assert BACKOFF_MIN <= backoff(failures, jitter) <= BACKOFF_MAX
