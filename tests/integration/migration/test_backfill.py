"""Backfill on a real PostgreSQL, while writers that encrypt and writers that do not go on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, Final, LiteralString

import psycopg
import pytest
from psycopg import Connection

from app_integration.errors import EncryptionError
from migration.guard import recorded_writes, triggers
from migration.guard.triggers import Mode
from migration.passes.backfill import Backfill, VerifiedBackfill
from migration.passes.ranges import PassProgress, Ranges
from migration.passes.verification import Verification
from migration.rows.row_cipher import RowCipher
from migration.rows.row_statements import RowStatements
from migration.table import live_table
from migration.table.migrated_table import MigratedColumn, MigratedTable
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations import guests
from tests.support.migrations.guests import GUESTS
from tests.support.migrations.writers import write
from tests.support.polling import wait_until

pytestmark = pytest.mark.requires("embedded")

ROWS: Final = 3000


class Site:
    """A guarded table of guests, and what a worker on it needs."""

    def __init__(self, database: OwnDatabase) -> None:
        self.connect = database.connect
        self.keys = guests.memory_keys()
        self.cipher = self.keys.cipher
        self.statements, self.writer = self.keys.statements, self.keys.writer
        self.ranges = Ranges(guests.MIGRATION, "backfill")
        self.kind: type[Backfill] = Backfill

    def worker(self, connection: Connection, batch: int = 200) -> Backfill:
        return self.kind(self.ranges, self.writer(connection), batch)

    def backfill(self, connection: Connection) -> None:
        self.ranges.create(connection, GUESTS, ROWS)
        worker = self.worker(connection)
        while worker.run_batch(connection) is not None:
            pass


@pytest.fixture
def site(database: OwnDatabase) -> Iterator[Site]:
    with database.connect() as connection:
        guests.create(connection, ROWS)
        yield Site(database)
        guests.drop(connection)


def test_backfill_encrypts_each_row(site: Site) -> None:
    with site.connect() as connection:
        assert site.ranges.create(connection, GUESTS, 700) == 5
        worker = site.worker(connection)
        done = list(iter(lambda: worker.run_batch(connection), None))
        assert sum(each.rows for each in done) == ROWS - 1  # guest 7 has neither value
        assert site.ranges.read_progress(connection) == PassProgress(5, 0, ROWS - 1, 0)
        assert remaining(site, connection) == (0, 0)


@pytest.mark.parametrize("kind", [Backfill, VerifiedBackfill])
def test_backfill_beside_writers_leaves_no_wrong_row(site: Site, kind: type[Backfill]) -> None:
    site.kind, site.keys.reads_back = kind, kind is VerifiedBackfill
    stopped = threading.Event()
    with site.connect() as connection, ThreadPoolExecutor(4) as threads:
        site.ranges.create(connection, GUESTS, 300)
        writers = [
            threads.submit(write, site.connect, site.keys, ROWS, seed, stopped) for seed in (1, 2)
        ]
        workers = [threads.submit(work, site) for _ in range(2)]
        for each in workers:
            each.result(60)
        stopped.set()
        bypassing = sum((each.result(60) for each in writers), Counter[str]())
        worker = site.worker(connection)
        while worker.redo(connection) is not None:
            pass
        assert remaining(site, connection) == (0, 0)
        found = recorded_writes.read_writers(connection, "guests")
    assert bypassing.keys() == {"INSERT", "UPDATE"}
    assert {each.operation: each.writes for each in found} == bypassing


def test_verified_backfill_fills_a_row_and_checks_the_token_that_it_had(site: Site) -> None:
    site.kind, site.keys.reads_back = VerifiedBackfill, True
    with site.connect() as connection:
        for guest, value in ((10, "Guest10@example.com"), (11, "other@example.com")):
            token = site.keys.email.encrypt(value, guest, f"b{guest % 3}")
            connection.execute("UPDATE guests SET email_token = %s WHERE id = %s", (token, guest))
        site.backfill(connection)
        assert site.ranges.read_progress(connection).wrong == 1
        assert remaining(site, connection) == (0, 0)


def test_killed_worker_leaves_its_range_to_another(site: Site) -> None:
    with site.connect() as connection, site.connect() as other:
        site.ranges.create(connection, GUESTS, 2 * ROWS)
        site.worker(connection).run_batch(connection)
        with connection.transaction():
            held = site.ranges.claim(connection)
            assert held is not None
            assert held.after == ["201", "b0"]
            assert site.ranges.claim(other) is None
            connection.execute("SELECT 1")
            other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
            taken = site.worker(other).run_batch(other)
        assert taken is not None
        assert taken.rows == 200


def test_application_is_never_the_victim_of_a_deadlock_with_a_batch(site: Site) -> None:
    update: LiteralString = "UPDATE guests SET visits = 1 WHERE id = %s"
    waiting: LiteralString = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted"
    with site.connect() as connection, site.connect() as other, ThreadPoolExecutor(1) as threads:
        site.ranges.create(connection, GUESTS, ROWS)
        # The session whose timeout ends first looks once, and is the victim.
        connection.execute("SET deadlock_timeout = '60s'")
        other.execute("SET deadlock_timeout = '2s'")
        with other.transaction():
            other.execute(update, (200,))
            batch = threads.submit(site.worker(connection).run_batch, connection)
            named = (connection.info.backend_pid,)
            wait_until(lambda: other.execute(waiting, named).rowcount, "a lock that is waited for")
            other.execute(update, (1,))
            written = batch.result(60)
        assert written is not None
        assert (written.rows, written.left) == (198, 2)
        while site.worker(connection).run_batch(connection) is not None:
            pass
        progress = site.ranges.read_progress(connection)
        assert (progress.left, progress.rows, progress.wrong) == (0, ROWS - 3, 2)
        again = Ranges(guests.MIGRATION, "backfill 2")
        again.create(connection, GUESTS, ROWS)
        while Backfill(again, site.writer(connection), 200).run_batch(connection) is not None:
            pass
        progress = again.read_progress(connection)
        assert (progress.left, progress.rows, progress.wrong) == (0, 2, 0)


@pytest.mark.parametrize(
    "damage",
    [
        "email_token = born_token",
        "born_token = email_token",
        "email_index = '\\x00'",
        "(email_token, email_index) = (SELECT email_token, email_index FROM guests WHERE id = 13)",
        "email_token = set_byte(email_token, 40, 255 - get_byte(email_token, 40))",
        "(email_token, email_index) = (NULL, NULL)",
        "email = NULL, email_token = set_byte(email_token, 40, 255 - get_byte(email_token, 40))",
    ],
)
@pytest.mark.parametrize("mode", Mode)
def test_wrong_token_is_found_and_replaced(site: Site, mode: Mode, damage: LiteralString) -> None:
    with site.connect() as connection:
        site.backfill(connection)
        connection.execute("UPDATE guests SET " + damage + " WHERE id = 12")
        for statement in triggers.functions(GUESTS, "guests", mode):
            connection.execute(statement)
        reports = len(recorded_writes.read_writers(connection, "guests"))
        first, second = Ranges("guests", "verify 1"), Ranges("guests", "verify 2")
        assert wrong_rows(site, connection, first) == [["12", "b0"]]
        assert wrong_rows(site, connection, second) == []
        assert first.read_progress(connection) == PassProgress(2, 0, ROWS, 1)
        assert second.read_progress(connection) == PassProgress(2, 0, ROWS, 0)
        assert len(recorded_writes.read_writers(connection, "guests")) == reports


def test_row_that_was_changed_is_not_written(site: Site) -> None:
    with site.connect() as connection:
        statements = site.statements(connection)
        rows = statements.read_range(connection, None, None, 3, incomplete=True)
        connection.execute("UPDATE guests SET visits = 1 WHERE id = 2")
        assert statements.write(connection, rows, site.cipher.encrypt(rows), waits=True) == 2
        left = statements.read_keys(connection, rows.keys)
        assert left.columns["id"] == (2,)


def test_row_that_cannot_be_encrypted_is_named(site: Site) -> None:
    with site.connect() as connection:
        connection.execute("ALTER TABLE guests ADD COLUMN balance numeric")
        connection.execute("ALTER TABLE guests ADD COLUMN balance_token bytea")
        connection.execute("UPDATE guests SET balance = 'NaN' WHERE id = 5")
        balance = MigratedColumn("balance", "balance_token", ("id", "branch"))
        table = MigratedTable("public", "guests", ("id", "branch"), (balance,))
        field = site.keys.field("guests.balance", kind=Decimal)
        statements = RowStatements(table, live_table.read(connection, "public", "guests"))
        rows = statements.read_range(connection, None, None, 10, incomplete=False)
        message = r"public\.guests, row 5, b2, column balance: "
        with pytest.raises(EncryptionError, match=message):
            RowCipher(table, {"balance": field}, {}).encrypt(rows)


@pytest.mark.parametrize(
    ("stored", "encrypted"),
    [
        ('{"active": true}', {"active": 1}),
        ('{"n": [12345678901234567.89]}', {"n": [12345678901234567.89]}),
    ],
)
def test_json_that_only_python_calls_equal_is_a_mismatch(
    site: Site, stored: str, encrypted: dict[str, Any]
) -> None:
    with site.connect() as connection:
        connection.execute("ALTER TABLE guests ADD COLUMN notes jsonb, ADD notes_token bytea")
        field = site.keys.field("guests.notes", kind=dict)
        connection.execute(
            "UPDATE guests SET notes = %s, notes_token = %s WHERE id = 1",
            (stored, field.encrypt(encrypted, 1, "b1")),
        )
        notes = MigratedColumn("notes", "notes_token", ("id", "branch"))
        table = MigratedTable("public", "guests", ("id", "branch"), (notes,))
        statements = RowStatements(table, live_table.read(connection, "public", "guests"))
        rows = statements.read_range(connection, None, None, 3, incomplete=False)
        assert RowCipher(table, {"notes": field}, {}).find_mismatches(rows) == {0}


def wrong_rows(site: Site, connection: Connection, ranges: Ranges) -> list[Any]:
    ranges.create(connection, GUESTS, ROWS)
    verification = Verification(ranges, site.writer(connection), 500)
    batches = iter(lambda: verification.run_batch(connection), None)
    return [key for batch in batches for key in batch]


def work(site: Site) -> None:
    """Run a worker until no range is left."""
    with site.connect() as connection:
        worker = site.worker(connection)
        while site.ranges.read_progress(connection).left:
            worker.run_batch(connection)


def remaining(site: Site, connection: Connection) -> tuple[int, int]:
    """Return the number of rows that are incomplete, and of those whose token is wrong."""
    statements = site.statements(connection)
    incomplete = statements.read_range(connection, None, None, ROWS, incomplete=True)
    rows = statements.read_range(connection, None, None, 2 * ROWS, incomplete=False)
    assert len(rows) == ROWS
    return len(incomplete), len(site.cipher.find_mismatches(rows))
