"""Commands of a migration of guests, in processes that are killed at any moment of its course."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection as Pipe
from typing import Final

import psycopg
from psycopg import Connection

from app_integration.errors import StrongroomError
from migration import way_back
from migration.course import Course
from migration.errors import MigrationBusy
from migration.migration_context import MigrationContext, MigrationMissing
from migration.passes import ranges
from migration.passes.pass_worker import PassWorker
from migration.passes.passes import PassKind
from migration.passes.ranges import Ranges
from migration.passes.throttle import Limits
from migration.stage import Stage
from migration.table.migrated_table import MigratedTable
from migration.table.table_lock import Pacing
from tests.support.migrations import guests
from tests.support.migrations.course_driver import Quiet
from tests.support.migrations.guests import MIGRATION
from tests.support.processes.migration_worker import LOST
from vault.declare.schema.migration import MigrationPlan

#: ``application_name`` of commands and their workers.
APPLICATION: Final = "command"
PLAN: Final = MigrationPlan.model_validate(
    {
        "migration": MIGRATION,
        "service": "hotel",
        "table": "guests",
        "columns": {
            "email": {"field": "guests.email", "index": {"rows": 100_000, "normalise": "email"}},
            "born": {"field": "guests.born", "type": "date"},
        },
        "quiet_for": "1s",
    }
)
_BATCH: Final = 100


def go_on(url: str, to: Stage, started: Pipe) -> None:
    """Run the migration until the stage *to*, or until this process is killed."""
    context = _context(url)
    started.send(0)
    with _losing_sessions():
        while Course(context, partial(_run, context), lambda _: None).advance(to) is not None:
            time.sleep(0.1)


def undo(url: str, started: Pipe) -> None:
    """Go one step back. See :func:`go_on`."""
    context = _context(url)
    started.send(0)
    with _losing_sessions():
        way_back.go_back(context, partial(_run, context))


def join(url: str, started: Pipe) -> None:
    """Work on the passes that commands run. See :func:`go_on`."""
    context = _context(url)
    started.send(0)
    while True:
        with _losing_sessions(), context.connect() as connection:
            found = ranges.find_open(connection, context.name)
        if found is not None:
            with _losing_sessions():
                _run(context, PassKind(found.split()[0]), Ranges(context.name, found))
        time.sleep(0.01)


def share(url: str, name: str, started: Pipe) -> None:
    """Work on the pass *name* at the usual pace, until this process is killed."""
    context = _context(url)
    started.send(0)
    kind, _ = name.split()
    PassWorker(context, Quiet(), Limits()).run(PassKind(kind), Ranges(context.name, name))


def _run(context: MigrationContext, kind: PassKind, pass_: Ranges) -> None:
    PassWorker(context, Quiet(), Limits(), duty=1.0, batch=_BATCH).run(kind, pass_)


@contextmanager
def _losing_sessions() -> Iterator[None]:
    """End the process without a traceback if a session is ended, or that of a killed one is left.

    The stage of a pass may change while its worker reads it.
    """
    try:
        yield
    except (MigrationBusy, MigrationMissing, psycopg.OperationalError):
        raise SystemExit(LOST) from None
    except StrongroomError as error:
        if "unavailable" in str(error):
            raise SystemExit(LOST) from None
        raise


def _context(url: str) -> MigrationContext:
    keys = guests.table_keys(guests.open_engine(url))

    @contextmanager
    def connect() -> Iterator[Connection]:
        with psycopg.connect(url, autocommit=True, application_name=APPLICATION) as connection:
            yield connection

    def open_cipher(_: MigratedTable) -> object:
        return keys.cipher

    pacing = Pacing(time.monotonic, time.sleep, random.random, patience=10)
    return MigrationContext(PLAN, connect, open_cipher, pacing)  # type: ignore[arg-type] # a RowCipher
