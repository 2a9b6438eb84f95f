"""Backups and restores, killed at random times: never a half file or a half database."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from backup.inventory import is_empty
from tests.support.databases.kill_site import KillSite, kill_site
from tests.support.polling import wait_until
from tests.support.processes import backup_worker as worker
from tests.support.processes.fork_server import start

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(1800)]

RUNS: Final = 50


@pytest.fixture
def site(tmp_path: Path) -> Iterator[KillSite]:
    with kill_site(tmp_path, rows=20_000) as running:
        yield running


def kill_after(seconds: float, function: Callable[..., None], *arguments: object) -> bool:
    """Kill *function* after some seconds, and return whether it had ended before."""
    process = start(function, *arguments)
    process.join(seconds)
    process.kill()
    process.join()
    wait_until(lambda: not worker.abandoned_processes(), "the end of the scratch server", 10)
    return process.exitcode == 0


def measure(function: Callable[..., None], *arguments: object) -> float:
    started = time.monotonic()
    process = start(function, *arguments)
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - started


def test_backups_killed_at_random_times_leave_only_verified_files(site: KillSite) -> None:
    chance, ended = random.SystemRandom(), 0
    longest = measure(worker.back_up, site.source, site.backups, worker.at(0))
    for run in range(1, RUNS + 1):
        seconds = chance.uniform(0, 1.1 * longest)
        ended += kill_after(
            seconds, worker.back_up, site.source, site.backups, worker.at(240 * run)
        )
        assert site.findings() == ()
        worker.back_up(site.source, site.backups, worker.at(240 * run + 120))
        assert site.findings() == ()
        assert len(list(site.backups.glob("*.encrypted"))) == 1
        assert all(path.is_file() for path in site.backups.iterdir())
        assert worker.abandoned_folders() == []
    print(f"{RUNS} backups: {ended} had ended before the kill")  # noqa: T201 (for the log of a night)
    assert ended < RUNS / 2


def test_restores_killed_at_random_times_leave_all_or_nothing(site: KillSite) -> None:
    chance, ended, committed = random.SystemRandom(), 0, 0
    worker.back_up(site.source, site.backups, worker.at(0))
    (file,) = site.backups.glob("*.encrypted")
    site.recreate_target()
    longest = measure(worker.restore_into, site.target, file)
    for _ in range(RUNS):
        target = site.recreate_target()
        ended += kill_after(
            chance.uniform(0, 1.1 * longest), worker.restore_into, site.target, file
        )
        site.wait_for_sessions()
        with target.connect() as connection:
            if is_empty(connection):
                worker.restore_into(site.target, file)
            else:
                committed += 1
            row = connection.execute("SELECT count(*), sum(id) FROM parcels").fetchone()
        assert row == (20_000, 200_010_000)
    print(f"{RUNS} restores: {committed} were committed, {ended} had ended before the kill")  # noqa: T201 (as above)
    assert ended < RUNS / 2
