"""What a plan says about a real table that has rules of every kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, LiteralString

import pytest
from psycopg import Connection

from migration.forecast import outlook, sample
from migration.forecast.estimate import Estimator, Speed
from migration.forecast.outlook import Outlook
from migration.stage import Stage
from migration.table import inventory, live_table
from migration.table.migrated_table import IndexedColumn, MigratedColumn, MigratedTable
from tests.support.databases.own_database import OwnDatabase
from vault.declare.schema.migration import MigrationPlan

pytestmark = pytest.mark.requires("embedded")

PLAN: Final = MigrationPlan.model_validate(
    {
        "migration": "members",
        "service": "club",
        "table": "club.members",
        "columns": {"email": {"field": "members.email"}},
        "quiet_for": "1h",
    }
)
MEMBERS: Final = MigratedTable(
    "club",
    "members",
    ("id",),
    (
        MigratedColumn("email", "email_token", ("id",)),
        MigratedColumn("town", "town_token", ("id",)),
        MigratedColumn("notes", "notes_token", ("id",)),
    ),
    (IndexedColumn("email_index", "email"),),
)
_SETUP: LiteralString = """
    CREATE SCHEMA club;
    CREATE TABLE club.towns (name text PRIMARY KEY);
    CREATE TABLE club.members (
        id int PRIMARY KEY, email text NOT NULL UNIQUE, town text DEFAULT 'Suna'
            REFERENCES club.towns, notes text, CHECK (length(notes) < 1000)
    );
    CREATE UNIQUE INDEX members_folded ON club.members (lower(email));
    CREATE TABLE club.letters (
        id int PRIMARY KEY, recipient text REFERENCES club.members (email) ON UPDATE CASCADE
    );
    CREATE VIEW club.addresses AS SELECT email FROM club.members;
    INSERT INTO club.towns VALUES ('Suna');
    INSERT INTO club.members SELECT n, 'm' || n || '@example.com' FROM generate_series(1, 10000) n;
    ANALYZE club.members;
"""


@pytest.fixture(scope="module")
def connection(database: OwnDatabase) -> Iterator[Connection]:
    with database.connect() as connection:
        connection.execute(_SETUP)
        yield connection


@pytest.fixture(scope="module")
def members(connection: Connection) -> Outlook:
    live = live_table.read(connection, "club", "members")
    found = sample.read(connection, MEMBERS, live)
    estimator = Estimator(MEMBERS, found, Speed(), has_data_keys=True)
    dependents = inventory.read(connection, "club", "members", MEMBERS.old_columns)
    return outlook.build(MEMBERS, live, found, estimator, dependents, PLAN)


def test_what_depends_on_columns_is_told_with_its_rule(members: Outlook) -> None:
    assert [line.partition("; ")[0] for line in members.column_lines()] == [
        "constraint members_notes_check on table club.members (notes): kept",
        "default value for column town of table club.members (town): lifted",
        "NOT NULL of column email of table club.members (email): lifted",
        "constraint members_town_fkey on table club.members (town): refused",
        "constraint letters_recipient_fkey on table club.letters (email): refused",
        "constraint members_email_key on table club.members (email): kept",
        "index club.members_folded (email): kept",
        "view club.addresses (email): kept",
    ]


def test_each_stage_says_its_locks_and_what_it_takes(members: Outlook) -> None:
    assert [each.stage for each in members.steps] == list(Stage)
    lines = list(members.lines())
    assert lines[0].startswith("club.members: about 10000 rows, ")
    assert lines[1] == (
        "guarded: the columns email_token, town_token, notes_token, email_index and the guard are"
        " added; it queues writes that bring no new token"
    )
    assert lines[2] == (
        "  ACCESS EXCLUSIVE for milliseconds; queries wait 20 ms for each attempt at most"
    )
    assert "  no lock on the table" in lines
    assert any(line.startswith("  ROW EXCLUSIVE ") for line in lines)
    (build,) = [each for each in members.steps if each.stage is Stage.INDEXED]
    assert [lock.mode for lock in build.locks] == ["SHARE UPDATE EXCLUSIVE"]
    (nulled,) = [each for each in members.steps if each.stage is Stage.NULLED]
    assert [lock.mode for lock in nulled.locks] == [
        "ROW EXCLUSIVE",
        "ACCESS EXCLUSIVE",
        "SHARE UPDATE EXCLUSIVE",
    ]
    taken = [line for line in lines if line.startswith("  disk ")]
    assert [line.rpartition(" and about ")[2] for line in taken] == ["5 s", "3 s", "0 s", "5 s"]
    assert re.fullmatch(r"  disk \d\.\d MB, WAL \d+\.\d MB and about 5 s", taken[0])
    assert taken[1] == "  disk 0 bytes, WAL 0 bytes and about 3 s"


def test_outlook_is_json(members: Outlook) -> None:
    found = json.loads(json.dumps(members.to_json()))
    assert (found["table"], found["rows"]) == ("club.members", 10_000)
    backfilled = found["stages"][2]
    assert backfilled["stage"] == "backfilled"
    assert backfilled["seconds"] == 5.0
    assert backfilled["wal"] > backfilled["disk"] > 0
    assert backfilled["locks"][0]["mode"] == "ROW EXCLUSIVE"
    assert found["stages"][0]["disk"] is None
    check, *_, view = found["dependents"]
    assert check == {
        "kind": "check",
        "name": "constraint members_notes_check on table club.members",
        "columns": ["notes"],
        "treatment": "kept",
        "note": "it sees NULL once the column is no longer written",
    }
    assert view["kind"] == "view"


def test_table_without_rules_and_indexes_has_less_to_do(connection: Connection) -> None:
    plain = MigratedTable(
        "club", "letters", ("id",), (MigratedColumn("recipient", "recipient_token", ("id",)),)
    )
    live = live_table.read(connection, "club", "letters")
    found = sample.read(connection, plain, live)
    estimator = Estimator(plain, found, Speed(), has_data_keys=True)
    built = outlook.build(plain, live, found, estimator, [], PLAN)
    assert list(built.column_lines()) == []
    read_back = PLAN.model_copy(update={"read_back": True})
    [step] = [
        each
        for each in outlook.build(plain, live, found, estimator, [], read_back).steps
        if each.stage is Stage.VERIFIED
    ]
    assert (step.locks, step.estimate) == ((), None)
    steps = {each.stage: each for each in built.steps}
    assert (steps[Stage.INDEXED].locks, steps[Stage.INDEXED].estimate) == ((), None)
    assert steps[Stage.SWITCHED].locks == ()
