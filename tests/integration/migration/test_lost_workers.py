"""Workers whose machine is lost: another one takes their range over in time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.kills import KillSite, kill_site
from tests.support.processes.migration_worker import Worker, hold

pytestmark = pytest.mark.requires("embedded")

ROWS: Final = 400
#: Seconds in which a range that was lost with its machine is taken over.
LONGEST: Final = 60


@pytest.fixture
def site(database: OwnDatabase) -> Iterator[KillSite]:
    with kill_site(database, ROWS) as running:
        yield running


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_range_of_lost_worker_is_taken_over_in_time(site: KillSite, sign: signal.Signals) -> None:
    lost = Worker(hold, site.url)
    os.kill(lost.process.pid or 0, sign)
    begun = time.monotonic()
    try:
        site.finish()
    finally:
        lost.process.kill()
        lost.process.join()
    assert time.monotonic() - begun < LONGEST
    site.check()
