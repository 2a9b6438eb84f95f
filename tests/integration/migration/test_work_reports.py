"""Reports of workers in a real PostgreSQL, as any shell reads them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from psycopg import Connection
from psycopg.sql import SQL

from console.views import migration as view
from migration import status
from migration.migration_context import MigrationContext
from migration.passes import pass_worker, ranges, work_reports
from migration.passes.work_reports import WorkReport
from migration.plan import to_table
from migration.stage import Stage
from migration.status import Status
from tests.integration.migration.test_course import ROWS, Hotel
from tests.support.databases.own_database import OwnDatabase

pytestmark = pytest.mark.requires("embedded")


class TickingHotel(Hotel):
    """A hotel whose clock advances by a second at each look at it."""

    def context(self, **changes: object) -> MigrationContext:
        context, ticks = super().context(**changes), itertools.count()
        return replace(context, pacing=replace(context.pacing, clock=lambda: float(next(ticks))))


@pytest.fixture
def hotel(database: OwnDatabase) -> Iterator[Hotel]:
    with TickingHotel(database).with_table() as hotel:
        yield hotel


@pytest.fixture
def connection(database: OwnDatabase) -> Iterator[Connection]:
    with database.connect() as connection:
        yield connection


def read(hotel: Hotel, connection: Connection) -> Status:
    return status.read(hotel.context(), connection)


def test_status_from_any_shell_tells_what_is_left_of_the_pass(
    hotel: Hotel, connection: Connection
) -> None:
    with hotel.interrupted():
        hotel.advance(Stage.BACKFILLED)
    found = read(hotel, connection)
    assert found.running == "backfill 1"
    assert 0 < found.progress.rows < ROWS
    assert found.rest.rows == ROWS - found.progress.rows
    (worker,) = found.rest.workers
    assert (worker.duty, worker.held) == (1.0, None)
    assert found.rest.seconds == pytest.approx(found.rest.rows / worker.rate)
    document = view.document(hotel.plan, found)["pass"]
    assert document["rows_left"] == found.rest.rows
    assert document["workers"][0]["duty"] == 1.0
    assert any(" rows/s, about " in line for line in view.status_lines(hotel.plan, found))


def test_workers_of_all_machines_add_up_until_they_are_gone(
    hotel: Hotel, connection: Connection
) -> None:
    with hotel.interrupted():
        hotel.advance(Stage.BACKFILLED)
    alone = read(hotel, connection).rest
    other = WorkReport("other/1", 1000.0, 1.0, 1.0, 0.5, None)
    work_reports.write(connection, "guests", "backfill 1", other)
    held = replace(other, worker="third/1", held="the file /hold exists")
    work_reports.write(connection, "guests", "backfill 1", held)
    together = read(hotel, connection)
    assert together.rest.rate == pytest.approx(alone.rate + 500)
    lines = list(view.status_lines(hotel.plan, together))
    assert "  other/1: 500 rows/s, works 50% of its time now" in lines
    assert "  third/1: held: the file /hold exists" in lines
    connection.execute("UPDATE strongroom_migration.workers SET at = at - interval '2 min'")
    gone = read(hotel, connection)
    assert (gone.rest.workers, gone.rest.seconds) == ([], None)
    assert any(line.endswith("No worker is on it.") for line in view.status_lines(hotel.plan, gone))


def test_pass_of_an_earlier_version_goes_on(hotel: Hotel, connection: Connection) -> None:
    with hotel.interrupted():
        hotel.advance(Stage.BACKFILLED)
    connection.execute("ALTER TABLE strongroom_migration.ranges DROP COLUMN size")
    connection.execute("DROP TABLE strongroom_migration.workers")
    earlier = read(hotel, connection)
    assert earlier.rest.rows == ranges.RANGE - earlier.progress.rows
    assert earlier.rest.seconds is None
    hotel.advance(Stage.VERIFIED)
    assert read(hotel, connection).state is not None
    hotel.undo()


@pytest.mark.parametrize("rewrites", [1, 4])
def test_probe_reads_no_more_of_a_table_that_was_rewritten(
    hotel: Hotel, connection: Connection, rewrites: int
) -> None:
    hotel.script("ALTER TABLE guests SET (autovacuum_enabled = off)")
    hotel.script("INSERT INTO guests SELECT n, 'more' || n FROM generate_series(1000, 9000) AS n")
    for _ in range(rewrites):
        hotel.script("UPDATE guests SET email = email || 'x'")
    with hotel.connect() as other:
        table = to_table(hotel.plan, hotel.context().read_table(other))
    query = SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}").format(pass_worker.probe_query(table))
    (plan,) = connection.execute(query).fetchone() or ([],)
    # An entry of the index for each version of one row, at most.
    assert plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"] < 20
