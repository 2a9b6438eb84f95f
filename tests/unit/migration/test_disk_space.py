"""Decision on whether a pass has room."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from migration.forecast import disk_space
from migration.forecast.disk_space import Room
from migration.forecast.estimate import Estimate

GB: Final = 1_000_000_000
GIB: Final = 1 << 30
NEED: Final = Estimate(heap=6 * GB, indexes=3 * GB, scratch=GB, wal=50 * GB)
KEPT: Final = GB  # of which twice as much counts


def decide(found: Room, need: Estimate = NEED) -> disk_space.Verdict:
    return disk_space.decide("the backfill", need, KEPT, found)


def test_files_and_wal_of_one_filesystem_add_up() -> None:
    needed = round(1.2 * 12 * GB) + GIB
    assert decide(Room(needed, needed)).is_enough
    refused = decide(Room(needed - 1, needed - 1))
    assert refused.is_enough is False
    assert refused.text == (
        "the backfill needs 15.5 GB for tables, indexes and WAL, and 15.5 GB are free where the"
        " database keeps them; nothing was changed. Add space there, or remove what is not needed"
    )


def test_files_and_wal_of_two_filesystems_are_compared_each() -> None:
    files, wal = round(1.2 * 10 * GB) + GIB, round(1.2 * 2 * GB) + GIB
    apart = Room(files, wal, is_shared=False)
    assert decide(apart).is_enough
    refused = decide(replace(apart, wal=wal - GB))
    assert refused.is_enough is False
    assert refused.text.startswith("the backfill needs 3.5 GB for WAL, and 2.5 GB are free")
    refused = decide(replace(apart, files=0))
    assert refused.is_enough is False
    assert refused.text.startswith("the backfill needs 13.1 GB for tables and indexes, and 0 bytes")


def test_wal_counts_as_far_as_the_server_keeps_it() -> None:
    little = replace(NEED, wal=GB)
    free = round(1.2 * 11 * GB) + GIB
    assert decide(Room(free, free), little).is_enough


@pytest.mark.parametrize("found", [Room(None, None), Room(99 * GB, None), Room(None, 99 * GB)])
def test_unknown_room_is_not_decided(found: Room) -> None:
    unknown = decide(found)
    assert unknown.is_enough is None
    assert unknown.text.startswith("the backfill needs 15.5 GB for tables, indexes and WAL, and")
    assert unknown.text.endswith("; pass --free, or install the function strongroom_disk_free")


def test_unknown_room_for_wal_is_told_beside_the_known_one() -> None:
    half = decide(Room(99 * GB, None, is_shared=False))
    assert half.is_enough is None
    assert "99.0 GB are free; the backfill needs 3.5 GB for WAL" in half.text
    assert decide(Room(None, 0, is_shared=False)).is_enough is False
