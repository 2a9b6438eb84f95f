"""Workers of one pass at their usual pace: four do three times the work of one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest
from psycopg.sql import SQL, Identifier

from migration.passes import passes
from migration.passes.pass_worker import BATCH
from migration.passes.passes import PassKind
from migration.passes.ranges import Ranges
from migration.stage import Stage
from tests.support.databases.own_database import OwnDatabase
from tests.support.databases.store_postgres import store_postgres
from tests.support.migrations import guests
from tests.support.migrations.guests import GUESTS, MIGRATION
from tests.support.models.cipher_parts import STORE
from tests.support.polling import wait_until
from tests.support.processes import migration_command
from tests.support.processes.migration_worker import Worker

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(600)]

ROWS: Final = 300_000
#: Times as many rows that four workers do, at least. A tenth of the time of each leaves two cores
#: and the server free enough.
GAIN: Final = 3.0
#: Seconds in which rows are counted. Each count of workers has three turns.
TURN: Final = 5.0
TURNS: Final = 3


def test_four_workers_do_three_times_the_work_of_one(tmp_path: Path) -> None:
    with prepared(tmp_path) as (database, url, pass_):
        done = {1: 0, 4: 0}
        for _ in range(TURNS):
            for count in done:
                done[count] += count_rows(database, url, pass_, count)
    sys.stderr.write(f"rows by one worker and by four: {done}, {done[4] / done[1]:.2f} times\n")
    assert done[4] > GAIN * done[1]


def count_rows(database: OwnDatabase, url: str, pass_: Ranges, count: int) -> int:
    """Return how many rows *count* workers do in a turn, once each of them has begun."""
    with ExitStack() as stack, database.connect() as connection:
        first = pass_.read_progress(connection).rows
        for _ in range(count):
            worker = Worker(migration_command.share, url, pass_.name)
            stack.callback(worker.process.join)
            stack.callback(worker.process.kill)
        begun_all = first + 2 * count * BATCH
        wait_until(lambda: pass_.read_progress(connection).rows >= begun_all, "the first batches")
        before, begun = pass_.read_progress(connection).rows, time.monotonic()
        wait_until(lambda: time.monotonic() - begun > TURN, "the turn", seconds=2 * TURN)
        progress = pass_.read_progress(connection)
        assert progress.left > count
        return progress.rows - before


@contextmanager
def prepared(folder: Path) -> Iterator[tuple[OwnDatabase, str, Ranges]]:
    """Yield a database whose guests are written by both versions, and the backfill of them."""
    with store_postgres(folder, STORE) as accounts:
        database = OwnDatabase(accounts.superuser, "guests")
        database.create()
        password = database.superuser.password().reveal()
        url = f"postgresql://postgres:{password}@127.0.0.1:{database.superuser.port}/guests"
        guests.table_keys(guests.open_engine(url))
        with database.connect() as connection:
            guests.create_unguarded(connection, ROWS)
            # The migration adds its own.
            for name in ("email_token", "born_token", "email_index"):
                connection.execute(
                    SQL("ALTER TABLE guests DROP COLUMN {}").format(Identifier(name))
                )
            connection.execute("ANALYZE")
        begin = Worker(migration_command.go_on, url, Stage.DUAL_WRITING)
        begin.process.join()
        pass_ = passes.ranges_of(MIGRATION, PassKind.BACKFILL, 1)
        with database.connect() as connection:
            pass_.create(connection, GUESTS, ROWS // 100)
        yield database, url, pass_
