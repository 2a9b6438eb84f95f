"""Positions of the log, from which the lag of a replica is known."""

from __future__ import annotations

from migration.replica_lag import Positions


def positions(*known: tuple[float, int]) -> Positions:
    found = Positions()
    for now, position in known:
        found.add(now, position)
    return found


def test_replica_is_behind_since_the_first_position_that_it_lacks() -> None:
    found = positions((0.0, 100), (5.0, 200), (9.0, 200), (10.0, 300))
    assert found.seconds_behind(12.0, 99) == 12.0
    assert found.seconds_behind(12.0, 100) == 7.0
    assert found.seconds_behind(12.0, 250) == 2.0


def test_replica_that_replayed_all_is_not_behind_on_an_idle_server() -> None:
    assert positions((0.0, 100), (3000.0, 100)).seconds_behind(3001.0, 100) == 0.0
    assert positions().seconds_behind(1.0, 0) == 0.0


def test_old_positions_are_forgotten() -> None:
    found = positions(*((float(second), second) for second in range(10_000)))
    assert 3600.0 <= found.seconds_behind(10_000.0, 0) <= 3602.0
