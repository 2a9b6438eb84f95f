"""Backfill of 1, 3 and 10 million rows: as fast as that of a hundred thousand."""

from __future__ import annotations

import sys
from typing import Final

import pytest

from benchmarks.backfill import relative_speed
from benchmarks.people_table import database

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(7200)]

SMALL: Final = 100_000
SLOWEST: Final = 0.85


@pytest.mark.parametrize("rows", [1_000_000, 3_000_000, 10_000_000])
def test_backfill_of_a_large_table_is_as_fast_as_of_a_small_one(rows: int) -> None:
    with database() as running:
        speed = relative_speed(running, rows, SMALL)
    sys.stderr.write(f"\n{rows:,} rows: {speed:.2f} of the speed of {SMALL:,}\n")
    assert speed >= SLOWEST
