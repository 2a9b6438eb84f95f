"""Benchmark of live queries beside a throttled backfill: their 99th percentile, before and beside.

    python -m benchmarks.live_queries [--seconds 10]

Four clients read a row and change another one, time after time, in short transactions. The worker
runs in a process of its own, at its default pace. It is held in every other part of the time, so
that what else the machine does slows both alike.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from statistics import quantiles
from typing import Final

import psycopg
from psycopg import Connection
from rich.console import Console

from benchmarks import people_table as people
from benchmarks.people_table import Worker
from benchmarks.ratio import Case, Result, report
from migration.pace import Pace
from migration.passes import pass_worker
from migration.passes.pass_worker import Site
from migration.passes.ranges import Ranges
from migration.passes.throttle import Reading
from tests.support.databases.own_database import OwnDatabase

SECONDS: Final = 10.0  # of each part
PARTS: Final = 3
BATCH: Final = 500  # rows
#: Times the percentile before.
SLOWER: Final = 2.0
_CLIENTS: Final = 4
_ROWS: Final = 500_000
_NAME: Final = "live"
_THINK: Final = 0.005  # seconds between two transactions of a client
_SETTLE: Final = 1.5  # seconds that a held worker may take to notice
_PROBES: Final = 50


def touch(connection: Connection) -> None:
    """Read one row and change another one, in one transaction."""
    one, other = random.sample(range(1, _ROWS), 2)
    with connection.transaction():
        connection.execute("SELECT email FROM live WHERE id = %s", (one,)).fetchone()
        connection.execute("UPDATE live SET visits = visits + 1 WHERE id = %s", (other,))


def run_worker(url: str, password: str, held: Event, ended: Event) -> None:
    """Backfill the table, as the command does, while it is not *held* and until it has *ended*."""
    table = people.describe(_NAME)
    with psycopg.connect(url, password=password, autocommit=True) as connection:
        running = Worker(connection, table, people.build_cipher(table), BATCH)
        site = Site(
            run_batch=lambda: running.run(1),
            is_done=ended.is_set,
            throttle=lambda: Reading("held" if held.is_set() else None),
            probe=lambda: touch(connection),
            clock=time.perf_counter,
            sleep=time.sleep,
            report=lambda *_: None,
        )
        pass_worker.run(site, Pace(pass_worker.measure_probes(site, _PROBES)))


class Clients:
    """Clients of the table, which time their transactions."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self.taken: list[float] = []
        self._connect = connect
        self._ended = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run them during the block."""
        with ThreadPoolExecutor(_CLIENTS) as threads:
            running = [threads.submit(self._run) for _ in range(_CLIENTS)]
            try:
                yield
            finally:
                self._ended.set()
            for each in running:
                each.result()

    def _run(self) -> None:
        with self._connect() as connection:
            while not self._ended.wait(_THINK):
                started = time.perf_counter()
                touch(connection)
                self.taken.append(time.perf_counter() - started)


def measure(seconds: float) -> tuple[Result, float]:
    """Return the percentiles, and the rows that the worker encrypted in a second."""
    before, beside = list[float](), list[float]()
    with people.database() as database, database.connect() as connection:
        people.create(connection, _NAME, _ROWS)
        clients = Clients(database.connect)
        with clients.running(), _worker(database) as held:
            for _ in range(PARTS):
                for taken, change in ((before, held.set), (beside, held.clear)):
                    change()
                    clients.taken = []
                    time.sleep(_SETTLE)
                    clients.taken = taken
                    time.sleep(seconds)
        rows = Ranges(_NAME, "backfill").read_progress(connection).rows
    case = Case("p99 of live queries", _nothing, _nothing, "before the backfill", SLOWER)
    worked = PARTS * (seconds + _SETTLE)
    return Result(case, _percentile(beside), _percentile(before)), rows / worked


@contextmanager
def _worker(database: OwnDatabase) -> Iterator[Event]:
    """Run a worker during the block, and yield the event that holds it."""
    context = multiprocessing.get_context("spawn")
    held, ended = context.Event(), context.Event()
    held.set()
    process = context.Process(target=run_worker, args=(*people.login(database), held, ended))
    process.start()
    yield held
    ended.set()
    process.join()


def _nothing(_: int) -> None:
    """Stand for an operation that other code repeats."""


def _percentile(taken: list[float]) -> float:
    return quantiles(taken, n=100)[98]


def main() -> int:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    result, rows = measure(parser.parse_args().seconds)
    Console().print(f"beside a backfill of {rows:,.0f} rows a second")
    return report([result])


if __name__ == "__main__":
    sys.exit(main())
