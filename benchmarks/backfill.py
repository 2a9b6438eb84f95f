"""Benchmark of a backfill against the same updates without encryption, and of two workers.

    python -m benchmarks.backfill [--rows 1000000]

The floor claims, reads and updates the same rows in the same batches, but writes random bytes of
the same sizes. One case also reads back what it wrote; another has the later verification, and no
bar. The mean counts, and not the fastest turn, because some batches wait for the server's
checkpoints.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection as Pipe
from statistics import fmean
from typing import Final

import psycopg
from psycopg import Connection

from benchmarks import people_table as people
from benchmarks.people_table import BATCH, RandomBytes, Worker
from benchmarks.ratio import Case, measure, report
from tests.support.databases.own_database import OwnDatabase

ROWS: Final = 1_000_000
#: Share of the floor's speed.
SPEED: Final = 0.55
SPEED_READ_BACK: Final = 0.5
#: Times the speed of one worker.
GAIN: Final = 1.5
_SLICE: Final = 4  # batches of one turn
_PARTS: Final = 10  # of a large table


@contextmanager
def one_worker(
    rows: int = 500_000,
    name: str = "backfill",
    speed: float | None = SPEED,
    *,
    reads_back: bool = False,
    verifies: bool = False,
) -> Iterator[Iterator[Case]]:
    """Yield the case *name* of one worker, on tables of *rows* rows."""
    with people.database() as database, database.connect() as connection:
        encrypted, random = (people.create(connection, each, rows) for each in ("one", "random"))
        cipher = people.build_cipher(encrypted)
        worker = Worker(connection, encrypted, cipher, reads_back=reads_back)
        other = Worker(connection, random, people.build_cipher(random, RandomBytes))

        def subject(times: int) -> None:
            worker.run(times * _SLICE)
            if verifies:
                worker.verify(times * _SLICE)

        def floor(times: int) -> None:
            other.run(times * _SLICE)

        bar = None if speed is None else 1 / speed

        yield iter([Case(name, subject, floor, "random bytes", bar, calls=1)])


@contextmanager
def two_workers(rows: int) -> Iterator[Iterator[Case]]:
    """Yield the case of two workers beside one, in processes of their own."""
    with people.database() as database, ExitStack() as stack:
        with database.connect() as connection:
            # More rows than the turns take, because one range would keep only one worker busy.
            people.create(connection, "shared", rows + 4 * people.RANGE)
        workers = [_start(database, "shared", stack) for _ in range(2)]
        both, one = partial(_share, workers), partial(_share, workers[:1])
        yield iter([Case("backfill, two workers", both, one, "one worker", 1 / GAIN, calls=1)])


def _share(workers: list[Pipe], times: int) -> None:
    """Let *workers* run the batches of *times* turns together."""
    for each in workers:
        each.send(times * _SLICE // len(workers))
    for each in workers:
        each.recv()


def _start(database: OwnDatabase, name: str, stack: ExitStack) -> Pipe:
    """Start a worker, which runs as many batches as it is sent."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(*people.login(database), name, theirs)
    )
    process.start()
    stack.callback(process.join)
    stack.callback(ours.send, 0)
    return ours


def _serve(url: str, password: str, name: str, pipe: Pipe) -> None:
    table = people.describe(name)
    with psycopg.connect(url, password=password, autocommit=True) as connection:
        worker = Worker(connection, table, people.build_cipher(table))
        while batches := pipe.recv():
            worker.run(batches)
            pipe.send(batches)


def relative_speed(database: OwnDatabase, rows: int, small: int) -> float:
    """Return the rows a second on a table of *rows* rows, by those on tables of *small* rows.

    Each tenth of the large table is followed by a small one, so that other load slows both alike.
    """
    with database.connect() as connection:
        large, speeds = _start_over(connection, "large", rows), ([0, 0.0], [0, 0.0])
        for _ in range(_PARTS):
            other = _start_over(connection, "small", small)
            for speed, worker, part in zip(
                speeds, (large, other), (rows // _PARTS, small), strict=True
            ):
                started = time.perf_counter()
                speed[0] += worker.run(part // BATCH)
                speed[1] += time.perf_counter() - started
    (one, one_seconds), (many, many_seconds) = speeds
    return (one / one_seconds) / (many / many_seconds)


def _start_over(connection: Connection, name: str, rows: int) -> Worker:
    table = people.create(connection, name, rows)
    return Worker(connection, table, people.build_cipher(table))


def main() -> int:
    """Measure all cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    found, turns = [], rows // (BATCH * _SLICE)
    for open_cases in (
        one_worker,
        partial(one_worker, name="backfill, read back", speed=SPEED_READ_BACK, reads_back=True),
        partial(one_worker, name="backfill and verification", speed=None, verifies=True),
    ):
        with open_cases(rows) as cases:
            found += [measure(each, turns, choose=fmean) for each in cases]
    with two_workers(rows) as cases:
        # Both take rows of the same table.
        found += [measure(each, turns // 2, choose=fmean) for each in cases]
    return report(found)


if __name__ == "__main__":
    sys.exit(main())
