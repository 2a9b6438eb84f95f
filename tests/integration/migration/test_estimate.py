"""Estimates of disk and WAL, against what a real PostgreSQL writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, TypeAlias

import pytest
from psycopg import Connection

from migration import index_build
from migration.forecast import sample
from migration.forecast.estimate import Estimate, Estimator, Speed
from migration.forecast.sample import Checkpoints
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.sized_table import AT_ONCE, Growth, Shape, SizedTable

pytestmark = pytest.mark.requires("embedded")

SHAPES: Final = [
    Shape(60_000),
    Shape(10_000, "uuid", columns=3),
    Shape(3_000, width=2000),
    Shape(2_000, "uuid", columns=3, width=2000),
    Shape(2_000, columns=3, width=1000),
    Shape(5_000, width=700),
    Shape(30_000, width=100, every=10),
    Shape(5_000, columns=3, has_data_keys=False),
    Shape(2_000, "uuid", width=2000, has_data_keys=False),
]
Create: TypeAlias = Callable[[Shape], SizedTable]


@pytest.fixture
def connection(database: OwnDatabase) -> Iterator[Connection]:
    with database.connect() as connection:
        yield connection


@pytest.fixture
def create(connection: Connection) -> Iterator[Create]:
    created: list[SizedTable] = []

    def create(shape: Shape) -> SizedTable:
        created.append(SizedTable(connection, shape))
        created[-1].create()
        return created[-1]

    yield create
    for each in created:
        each.drop()


def estimator(connection: Connection, sized: SizedTable, shape: Shape) -> Estimator:
    read = sample.read(connection, sized.table, sized.live())
    return Estimator(sized.table, read, Speed(), has_data_keys=shape.has_data_keys)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_passes_write_what_was_estimated(
    connection: Connection, create: Create, shape: Shape
) -> None:
    sized = create(shape)
    before = estimator(connection, sized, shape)
    sized.begin()
    assert_estimated(before.backfill(), sized.measure(sized.backfill))
    sized.measure(lambda: index_build.build(connection, sized.table, AT_ONCE))
    now = estimator(connection, sized, shape)
    nulled = sized.measure(sized.null)
    assert_estimated(before.nulling(), nulled)
    assert_estimated(now.nulling(), nulled)


def test_checkpoints_make_scattered_rows_write_more(connection: Connection, create: Create) -> None:
    shape, checkpoints = Shape(10_000, "uuid"), 5
    sized = create(shape)
    read = sample.read(connection, sized.table, sized.live())
    assert read.is_scattered
    seconds = Speed().seconds(shape.rows) / (checkpoints - 0.5)
    often = replace(read, checkpoints=Checkpoints(seconds, read.checkpoints.size))
    estimate = Estimator(sized.table, often, Speed(), has_data_keys=True).backfill()
    once = Estimator(sized.table, read, Speed(), has_data_keys=True).backfill()
    sized.begin()

    def backfill() -> None:
        worker = sized.worker(shape.rows // checkpoints)
        while worker.run_batch(connection) is not None:
            connection.execute("CHECKPOINT")

    actual = sized.measure(backfill).wal
    assert_within(actual, estimate.wal)
    assert estimate.wal > 1.5 * once.wal


@pytest.mark.parametrize("shape", [Shape(10_000), SHAPES[2], SHAPES[5]], ids=str)
def test_index_build_writes_what_was_estimated(
    connection: Connection, create: Create, shape: Shape
) -> None:
    sized = create(shape)
    estimate = estimator(connection, sized, shape).index_build()
    sized.begin()
    sized.backfill()
    built = sized.measure(lambda: index_build.build(connection, sized.table, AT_ONCE))
    assert_within(built.indexes, estimate.indexes)
    assert_within(built.indexes, estimate.scratch)
    # How many blocks the scan changes depends on who read the rows before.
    assert built.wal <= estimate.wal


def assert_estimated(estimate: Estimate, actual: Growth) -> None:
    assert_within(actual.heap, estimate.heap)
    assert_within(actual.wal, estimate.wal)
    # An index may have free space for all new entries.
    assert actual.indexes <= estimate.indexes


def assert_within(actual: int, estimate: int) -> None:
    assert actual <= estimate <= 3 * actual
