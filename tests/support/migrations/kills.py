"""Workers that are killed one after another, while writers go on, and the proof of what is left."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Final

import psycopg
from psycopg import Connection

from migration.guard import recorded_writes
from migration.passes.ranges import Ranges
from tests.support.databases import database_hashes
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations import guests, writers
from tests.support.migrations.guest_kinds import KINDS
from tests.support.migrations.guests import MIGRATION
from tests.support.processes import migration_worker
from tests.support.processes.migration_worker import Worker

_RANGES: Final = 20
#: One in so many kills ends the server's side of the session, and not the worker's process.
_BACKENDS: Final = 4


@dataclass
class KillSite:
    """A guarded table of guests whose workers are killed."""

    database: OwnDatabase
    url: str
    rows: int
    kind: str
    keys: guests.GuestKeys
    catalogue: str
    has_writers: bool = False
    bypassing: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def ranges(self) -> Ranges:
        """Return the ranges of the backfill."""
        return Ranges(MIGRATION, "backfill")

    def connect(self, application: str) -> Connection:
        """Connect as *application*, in autocommit mode."""
        return psycopg.connect(self.url, autocommit=True, application_name=application)

    @contextmanager
    def writing(self, count: int = 2) -> Iterator[None]:
        """Run *count* writers during the block, and count the writes that did not encrypt."""
        self.has_writers = True
        stopped, names = threading.Event(), [f"writer {at}" for at in range(count)]
        with ThreadPoolExecutor(count) as threads:
            running = [
                threads.submit(
                    writers.write, partial(self.connect, name), self.keys, self.rows, at, stopped
                )
                for at, name in enumerate(names)
            ]
            try:
                yield
            finally:
                stopped.set()
            for name, each in zip(names, running, strict=True):
                done = each.result(60)
                self.bypassing.update({(name, operation): done[operation] for operation in done})

    def kill_workers(self, kills: int, batch: int, chance: random.Random, longest: float) -> int:
        """Run two workers at a time, and kill one after the other."""
        early = 0
        with self.connect("killer") as connection:
            for number in range(0, kills, 2):
                for at, worker in enumerate(self.start(2, batch)):
                    worker.process.join(chance.uniform(0, longest))
                    early += bool(self.ranges.read_progress(connection).left)
                    if (number + at) % _BACKENDS:
                        worker.process.kill()
                    else:
                        connection.execute("SELECT pg_terminate_backend(%s)", (worker.backend,))
                    worker.process.join()
        return early

    def start(self, count: int, batch: int) -> list[Worker]:
        """Start *count* workers at once."""
        with ThreadPoolExecutor(count) as threads:
            started = [
                threads.submit(Worker, migration_worker.work, self.url, self.kind, batch)
                for _ in range(count)
            ]
            return [each.result() for each in started]

    def finish(self, batch: int = 500) -> None:
        """Let two new workers end the backfill."""
        for each in self.start(2, batch):
            each.process.join()
            assert each.process.exitcode == 0

    def check(self) -> None:
        """Check that each new value is what an undisturbed run writes.

        Each is of its old value, which is the first one or that of a writer, each bypass is
        reported once, and the catalogue is as it was.
        """
        assert database_hashes.hash_catalogue(self.database) == self.catalogue
        with self.connect("check") as connection:
            statements = self.keys.statements(connection)
            assert len(statements.read_range(connection, None, None, 9, incomplete=True)) == 0
            rows = statements.read_range(connection, None, None, 2 * self.rows, incomplete=False)
            assert len(rows) == self.rows
            values = self.keys.opened(rows.columns)
            assert self.keys.opened_new(rows.columns) == values
            self._check_values(rows.columns["id"], values["email"], values["born"])
            found = recorded_writes.read_writers(connection, MIGRATION)
            assert self.ranges.read_progress(connection).left == 0
        assert {(each.application, each.operation): each.writes for each in found} == self.bypassing

    def _check_values(
        self, numbers: Sequence[int], emails: Sequence[str | None], days: Sequence[date | None]
    ) -> None:
        for number, email, born in zip(numbers, emails, days, strict=True):
            if (email, born) != guests.original(number):
                assert self.has_writers, number
                # Who inserts a row again writes no date.
                assert email is not None, number
                assert email.startswith("new"), number
                assert born in (guests.original(number)[1], None), number


@contextmanager
def kill_site(database: OwnDatabase, rows: int, kind: str = "plaintext") -> Iterator[KillSite]:
    """Create a table of *rows* guests in *database* for the block, divided into ranges."""
    password, port = database.superuser.password().reveal(), database.superuser.port
    url = f"postgresql://postgres:{password}@127.0.0.1:{port}/{database.name}"
    keys = guests.table_keys(guests.open_engine(url), KINDS[kind])
    with database.connect() as connection:
        guests.create(connection, rows, keys.encrypt_old, keys.table)
        Ranges(MIGRATION, "backfill").create(connection, keys.table, -(-rows // _RANGES))
    yield KillSite(database, url, rows, kind, keys, database_hashes.hash_catalogue(database))
    # Not the same connection, because the server may have crashed meanwhile.
    with database.connect() as connection:
        guests.drop(connection)
