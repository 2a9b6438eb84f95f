"""Workers of a migration in processes that are killed."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from typing import Any, Final

import psycopg
from psycopg.errors import LockNotAvailable

from app_integration.errors import StrongroomError
from migration import index_build, session_limits
from migration.passes.backfill import Backfill
from migration.passes.ranges import Ranges
from migration.table.table_lock import Pacing
from tests.support.migrations import guests
from tests.support.migrations.guest_kinds import KINDS
from tests.support.migrations.guests import GUESTS, MIGRATION
from tests.support.processes.fork_server import fork_server, start

#: ``application_name`` of a worker.
APPLICATION: Final = "backfill"
#: Exit code of a process whose session the server ended.
LOST: Final = 3
_PACING: Final = Pacing(time.monotonic, time.sleep, random.random)


def work(url: str, kind: str, batch: int, started: Pipe) -> None:
    """Backfill guests, and encrypt what bypasses left, until this process is killed."""
    keys = guests.table_keys(guests.open_engine(url), KINDS[kind])
    with _connect(url) as connection:
        ranges = Ranges(MIGRATION, "backfill")
        backfill = Backfill(ranges, keys.writer(connection), batch)
        started.send(connection.info.backend_pid)
        while True:
            written = backfill.run_batch(connection)
            try:
                redone = backfill.redo(connection)
            except LockNotAvailable:  # as the command does, because a writer holds a row for long
                continue
            if written is redone is None and not ranges.read_progress(connection).left:
                break


def build_index(url: str, started: Pipe) -> None:
    """Build the index of guests. See :func:`work`."""
    with _connect(url) as connection:
        started.send(connection.info.backend_pid)
        index_build.build(connection, GUESTS, _PACING)


def hold(url: str, started: Pipe) -> None:
    """Hold the first range in a transaction, as a worker does between two statements of a batch."""
    with _connect(url) as connection, connection.transaction():
        assert Ranges(MIGRATION, "backfill").claim(connection) is not None
        started.send(connection.info.backend_pid)
        signal.pause()


@contextmanager
def _connect(url: str) -> Iterator[psycopg.Connection]:
    """Connect for the block, and end the process without a traceback if the session is ended."""
    with psycopg.connect(url, autocommit=True, application_name=APPLICATION) as connection:
        session_limits.apply(connection)
        try:
            yield connection
        # A key is unavailable too, if the server crashes while it is read.
        except (psycopg.OperationalError, StrongroomError):
            if connection.closed:
                raise SystemExit(LOST) from None
            raise


class Worker:
    """A process that has begun its work."""

    def __init__(self, target: Any, *arguments: Any) -> None:
        """Call *target* with *arguments* in a process, and wait until it has connected."""
        receiver, sender = fork_server(__name__).Pipe(duplex=False)
        with receiver:
            self.process = start(target, *arguments, sender)
            sender.close()
            self.backend: int = receiver.recv()
