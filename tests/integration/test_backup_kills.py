"""Killed backups and restores: no half file, nothing left running, and the next run works."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from backup.inventory import is_empty
from tests.support.databases.kill_site import KillSite, kill_site
from tests.support.polling import wait_until
from tests.support.processes import backup_worker as worker
from tests.support.processes.fork_server import start

pytestmark = pytest.mark.requires("embedded")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillSite]:
    with kill_site(tmp_path_factory.mktemp("kills"), rows=9) as running:
        worker.back_up(running.source, running.backups, worker.at(0))
        yield running


def kill(site: KillSite, moment: str, function: Callable[..., None], *arguments: object) -> None:
    """Kill *function* at a moment, and wait until its servers have ended, too."""
    process = start(function, *arguments, moment)
    process.join()
    assert process.exitcode == -signal.SIGKILL, moment
    wait_until(lambda: not worker.abandoned_processes(), "the end of the scratch server")
    assert site.findings() == (), moment


def test_killed_restore_leaves_all_or_nothing(site: KillSite) -> None:
    (file,) = site.backups.glob("*.encrypted")
    # The second run shows, too, that the first one has left nothing in its way.
    for moment, is_restored in {"restore": False, "comparison": True}.items():
        target = site.recreate_target()
        kill(site, moment, worker.restore_into, site.target, file)
        site.wait_for_sessions()
        with target.connect() as connection:
            assert is_empty(connection) is not is_restored


def test_killed_backup_leaves_no_half_file_and_the_next_run_works(site: KillSite) -> None:
    for number, moment in enumerate(worker.BACKUP_MOMENTS, 1):
        # Two hours later, so that the backup before has expired.
        now = worker.at(120 * number)
        kill(site, moment, worker.back_up, site.source, site.backups, now)
    worker.back_up(site.source, site.backups, worker.at(9999))
    assert site.findings() == ()
    assert all(path.is_file() for path in site.backups.iterdir())
    assert len(list(site.backups.glob("*.encrypted"))) == 1
    assert worker.abandoned_folders() == []
