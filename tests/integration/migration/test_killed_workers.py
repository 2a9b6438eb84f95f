"""Workers that are killed: no row is lost, none is wrong, and each bypass is reported once."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from functools import partial
from typing import Final, LiteralString

import psycopg
import pytest
from psycopg import Connection

from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.kills import KillSite, kill_site
from tests.support.polling import wait_until
from tests.support.processes.migration_worker import LOST, Worker, build_index

pytestmark = pytest.mark.requires("embedded")

ROWS: Final = 4000
KILLS: Final = {"plaintext": 12, "tokens": 8, "decrypted": 8}
BATCH: Final = 5  # so that ranges are left until the end
LONGEST: Final = 0.15  # seconds


@pytest.fixture
def kind() -> str:
    return "plaintext"


@pytest.fixture
def site(database: OwnDatabase, kind: str) -> Iterator[KillSite]:
    with kill_site(database, ROWS, kind) as running:
        yield running


@pytest.mark.parametrize("kind", [*KILLS])
def test_killed_workers_leave_no_wrong_row_and_each_bypass_reported_once(site: KillSite) -> None:
    kills, chance = KILLS[site.kind], random.Random(20261128)  # noqa: S311 (moments of kills, not keys)
    with site.writing():
        assert site.kill_workers(kills, BATCH, chance, LONGEST) > kills / 2
    site.finish()
    site.check()


@pytest.mark.parametrize("kind", [*KILLS])
def test_crashed_server_leaves_no_wrong_row(site: KillSite) -> None:
    with site.connect("witness") as connection:
        (worker,) = site.start(1, BATCH)
        os.kill(worker.backend, signal.SIGKILL)
        worker.process.join()
        assert worker.process.exitcode == LOST
        # The server ends every session before it recovers.
        wait_until(partial(is_lost, connection), "the crash")
    wait_until(site.database.superuser.is_server_reachable, "the server's recovery")
    site.finish()
    site.check()


def is_lost(connection: Connection) -> bool:
    """Return whether the server has ended the session."""
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


@pytest.mark.parametrize("ends_backend", [False, True])
def test_killed_index_build_is_done_by_the_next(site: KillSite, ends_backend: bool) -> None:
    with site.connect("check") as connection:
        with site.connect("writer") as writer, writer.transaction():
            writer.execute("UPDATE guests SET visits = 1 WHERE id = 1")
            worker = Worker(build_index, site.url)
            # The build waits for the writer now.
            wait_until(lambda: indexes(connection) == [False], "an index that is not valid")
            worker.process.kill()
            worker.process.join()
            if ends_backend:
                connection.execute("SELECT pg_terminate_backend(%s)", (worker.backend,))
                wait_until(lambda: not is_running(connection, worker), "the end of the build")
            again = Worker(build_index, site.url)
        again.process.join()
        assert again.process.exitcode == 0
        assert indexes(connection) == [True]


def is_running(connection: Connection, worker: Worker) -> bool:
    """Return whether the server still has the session of *worker*."""
    query: LiteralString = "SELECT FROM pg_stat_activity WHERE pid = %s"
    return bool(connection.execute(query, (worker.backend,)).rowcount)


def indexes(connection: Connection) -> list[bool]:
    """Return the validity of each index on the column of index values."""
    query: LiteralString = """
        SELECT indisvalid FROM pg_index
        WHERE indrelid = 'guests'::regclass AND NOT indisprimary
    """
    return [is_valid for (is_valid,) in connection.execute(query)]
