"""Seventy kills on the way forward and back: no row, definition or other table is changed."""

from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, LiteralString

import pytest
from psycopg import Connection

from migration import state_table
from migration.stage import Stage
from tests.support.databases import database_hashes
from tests.support.databases.own_database import OwnDatabase
from tests.support.databases.store_postgres import store_postgres
from tests.support.migrations import guests
from tests.support.migrations.guests import MIGRATION
from tests.support.models.cipher_parts import STORE
from tests.support.processes import migration_command
from tests.support.processes.migration_worker import LOST, Worker

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(1800)]


#: What is beside the guests and their plaintexts, of kinds that a migration keeps or puts back.
_BESIDE: LiteralString = """
    ALTER TABLE guests DROP COLUMN email_token, DROP COLUMN born_token, DROP COLUMN email_index,
        ALTER COLUMN email SET DEFAULT 'none@example.com', ADD CHECK (email LIKE '%@%');
    CREATE TABLE stays (
        number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, guest int, branch text,
        email varchar(80), FOREIGN KEY (guest, branch) REFERENCES guests ON UPDATE CASCADE
    );
    INSERT INTO stays (guest, branch, email) SELECT id, branch, email FROM guests;
    CREATE VIEW mails AS SELECT id, email FROM guests;
    CREATE INDEX ON guests (lower(email));
    CREATE STATISTICS pair (mcv) ON email, born FROM guests;
    ANALYZE
"""
_SESSIONS: LiteralString = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s
"""
#: Tables of the keys that the commands share, which they write.
_KEYS: Final = ("data_keys", "index_keys")


@dataclass
class KilledCourse:
    """A migration of guests whose commands are killed."""

    database: OwnDatabase
    chance: random.Random
    longest: float
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    catalogue: str = ""
    tables: dict[str, str] = field(default_factory=dict)

    def create(self, rows: int) -> None:
        """Create the tables, with *rows* guests."""
        guests.table_keys(guests.open_engine(self.url))
        with self.database.connect() as connection:
            guests.create_unguarded(connection, rows)
            connection.execute(_BESIDE)
        self.catalogue, self.tables = self.hash()

    @property
    def url(self) -> str:
        """Return the URL of the database."""
        superuser = self.database.superuser
        password = superuser.password().reveal()
        return f"postgresql://postgres:{password}@127.0.0.1:{superuser.port}/{self.database.name}"

    def hash(self, *without: str) -> tuple[str, dict[str, str]]:
        """Return the hash of the catalogue, and of each table but for those *without*."""
        tables = database_hashes.hash_tables(self.database, *_KEYS, *without)
        return database_hashes.hash_catalogue(self.database), tables

    def read_stage(self) -> Stage | None:
        """Return the stage of the migration, None if it is not begun, or undone."""
        with self.database.connect() as connection:
            state = (
                state_table.read(connection, MIGRATION) if state_table.exist(connection) else None
            )
        return None if state is None else state.stage

    def go_on(self, to: Stage, kills: int) -> None:
        """Go on to the stage *to*, with so many *kills* on the way as it lasts for."""
        while self.read_stage() is not to:
            kills -= self._run(Worker(migration_command.go_on, self.url, to), is_killed=kills > 0)

    def go_back(self, kills: int) -> None:
        """Go back to the begin, with so many *kills* on the way as it lasts for."""
        while self.read_stage() is not None:
            kills -= self._run(Worker(migration_command.undo, self.url), is_killed=kills > 0)

    def _run(self, command: Worker, *, is_killed: bool) -> bool:
        """Run *command* beside a worker, and return whether something was killed."""
        helper = Worker(migration_command.join, self.url)
        try:
            if not is_killed:
                command.process.join()
                assert command.process.exitcode in {0, LOST}
                return False
            command.process.join(self.chance.uniform(0, self.longest))
            if command.process.exitcode is not None:
                assert command.process.exitcode in {0, LOST}
                return False
            self._kill(command, helper)
            return True
        finally:
            helper.process.kill()
            helper.process.join()

    def _kill(self, command: Worker, helper: Worker) -> None:
        victim = self.chance.choice(["command", "worker", "backend"])
        self.kills[victim, str(self.read_stage())] += 1
        if victim == "backend":
            with self.database.connect() as connection:
                self._end_session(connection)
            command.process.join(self.chance.uniform(0, self.longest))
        elif victim == "worker":
            helper.process.kill()
            command.process.join(self.chance.uniform(0, self.longest))
        command.process.kill()
        command.process.join()

    def _end_session(self, connection: Connection) -> None:
        sessions = connection.execute(_SESSIONS, (migration_command.APPLICATION,)).fetchall()
        if sessions:
            connection.execute("SELECT pg_terminate_backend(%s)", self.chance.choice(sessions))


KILLS: Final = 70
ROWS: Final = 10_000
LONGEST: Final = 0.8  # seconds, so that short stages are hit too
#: Kills on one way to a stage, so that each part of the course has some.
_OF_ONE_WAY: Final = 12


def test_seventy_kills_of_commands_workers_and_sessions_change_nothing_beside(
    tmp_path: Path,
) -> None:
    with store_postgres(tmp_path, STORE) as accounts:
        database = OwnDatabase(accounts.superuser, "migrated")
        database.create()
        course = KilledCourse(database, random.SystemRandom(), LONGEST)
        course.create(ROWS)
        others = {name: each for name, each in course.tables.items() if name != "public.guests"}
        turns = 0
        while course.kills.total() < KILLS:
            turns += 1
            for stage in (Stage.SWITCHED, Stage.NULLED):
                course.go_on(stage, _OF_ONE_WAY)
                assert course.hash("guests")[1] == others
            course.go_back(_OF_ONE_WAY)
            assert course.hash() == (course.catalogue, course.tables)
        course.go_on(Stage.SWITCHED, 0)
        course.go_on(Stage.NULLED, 0)
        with database.connect() as connection:
            connection.execute("DROP VIEW mails")  # which keeps the column from being dropped
        course.go_on(Stage.DROPPED, 0)
        assert course.hash("guests")[1] == others
    sys.stderr.write(
        f"\n{turns} ways forward and back, {course.kills.total()} kills: {course.kills}\n"
    )
