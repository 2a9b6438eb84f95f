"""How costs grow: a cached read and a decryption not at all, and a plan linearly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import pytest

from benchmarks.scale import Cost, cached_read, decryption, plan

# Other load slows a large size down more than a small one.
pytestmark = [pytest.mark.alone, pytest.mark.requires("embedded")]

#: Above the document's bound for flat, because more values than fit into the processor's cache are
#: slower to reach: half as long again over three powers of ten. A cost that is linear has 1.
STEEPEST: Final = 0.3
STEEPEST_LINEAR: Final = 1.3
ATTEMPTS: Final = 3


@pytest.mark.parametrize(
    ("seconds", "exponent", "growth"),
    [
        ({10: 2.0, 100: 2.0, 1000: 2.0}, 0.0, "flat"),
        ({10: 1.0, 100: 10.0, 1000: 100.0}, 1.0, "linear"),
        ({10: 1.0, 100: 100.0}, 2.0, "steeper than linear"),
        ({1: 1.0, 100: 10.0}, 0.5, "between flat and linear"),
    ],
)
def test_cost_has_the_exponent_of_its_growth(
    seconds: dict[int, float], exponent: float, growth: str
) -> None:
    cost = Cost("read", "names", seconds)
    assert cost.exponent == pytest.approx(exponent)
    assert cost.growth == growth


def flattest(measure: Callable[[Sequence[int]], Cost], sizes: Sequence[int], bar: float) -> float:
    """Return the least exponent of a few attempts, the first that is within *bar*."""
    exponents: list[float] = []
    for _ in range(ATTEMPTS):  # because other load may slow a large size down, and no small one
        exponents.append(measure(sizes).exponent)
        if exponents[-1] <= bar:
            break
    return min(exponents)


@pytest.mark.parametrize(
    ("measure", "sizes"),
    [(cached_read, [10, 1000, 10_000]), (decryption, [1, 100, 2000])],
    ids=["cached read", "decryption"],
)
def test_cost_of_more_names_or_keys_stays_flat(
    measure: Callable[[Sequence[int]], Cost], sizes: Sequence[int]
) -> None:
    assert flattest(measure, sizes, STEEPEST) <= STEEPEST


def test_cost_of_a_plan_is_linear_in_its_services() -> None:
    assert flattest(plan, [8, 32], STEEPEST_LINEAR) <= STEEPEST_LINEAR
