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
from migration.table import column_rules, live_table
from migration.table.migrated_table import IndexedColumns, MigratedColumn, MigratedTable
from tests.support.databases.own_database import OwnDatabase

pytestmark = pytest.mark.requires("embedded")

HOUR: Final = 3600
GONE: Final = "goes with the column, or keeps it from being dropped: "
MEMBERS: Final = MigratedTable(
    "club",
    "members",
    ("id",),
    (
        MigratedColumn("email", "email_token", ("id",)),
        MigratedColumn("town", "town_token", ("id",)),
        MigratedColumn("notes", "notes_token", ("id",)),
    ),
    (IndexedColumns("email_index", ("email",)),),
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
    rules = column_rules.read(connection, MEMBERS)
    return outlook.build(MEMBERS, live, found, estimator, rules, quiet_for=HOUR)


def test_rules_of_each_column_are_told(members: Outlook) -> None:
    email, town, notes = _by_column(members)
    assert email == [
        "email",
        "NOT NULL: it is lifted at the switch; the way back sets it again",
        (
            "unique by members_email_key, members_folded: that ends when the column is no longer"
            " written, because different values share a value of a blind index"
        ),
        (
            "letters_recipient_fkey of club.letters refers to it: drop that foreign key before"
            " the column is set NULL, which it refuses or carries over to its rows"
        ),
        f"{GONE}constraint letters_recipient_fkey on table club.letters",
        f"{GONE}constraint members_email_key on table club.members",
        f"{GONE}index club.members_folded",
        f"{GONE}rule _RETURN on view club.addresses",
    ]
    assert town == [
        "town",
        (
            "default 'Suna'::text: it comes without a token, so that the guard refuses inserts"
            " that leave the column out; drop it before"
        ),
        (
            "members_town_fkey: it ends when the column is no longer written, and its drop locks"
            " the other table"
        ),
        f"{GONE}constraint members_town_fkey on table club.members",
    ]
    assert notes == ["notes", f"{GONE}constraint members_notes_check on table club.members"]


def _by_column(found: Outlook) -> list[list[str]]:
    """Return the lines about each column, which are indented after its name."""
    parts: list[list[str]] = []
    for line in found.column_lines():
        if not line.startswith("  "):
            parts.append([])
        parts[-1].append(line.strip())
    return parts


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
    assert [line.rpartition(" and about ")[2] for line in taken] == ["5 s", "5 s", "0 s", "5 s"]
    assert re.fullmatch(r"  disk \d\.\d MB, WAL \d+\.\d MB and about 5 s", taken[0])
    assert taken[1] == "  disk 0 bytes, WAL 0 bytes and about 5 s"


def test_outlook_is_json(members: Outlook) -> None:
    found = json.loads(json.dumps(members.to_json()))
    assert (found["table"], found["rows"]) == ("club.members", 10_000)
    backfilled = found["stages"][2]
    assert backfilled["stage"] == "backfilled"
    assert backfilled["seconds"] == 5.0
    assert backfilled["wal"] > backfilled["disk"] > 0
    assert backfilled["locks"][0]["mode"] == "ROW EXCLUSIVE"
    assert found["stages"][0]["disk"] is None
    email, town, notes = found["columns"]
    assert (email["column"], email["is_required"]) == ("email", True)
    assert email["unique"] == ["members_email_key", "members_folded"]
    assert email["referrers"] == ["letters_recipient_fkey of club.letters"]
    assert (town["default"], town["references"]) == ("'Suna'::text", ["members_town_fkey"])
    assert len(notes["dependents"]) == 1


def test_table_without_rules_and_indexes_has_less_to_do(connection: Connection) -> None:
    plain = MigratedTable(
        "club", "letters", ("id",), (MigratedColumn("recipient", "recipient_token", ("id",)),)
    )
    live = live_table.read(connection, "club", "letters")
    found = sample.read(connection, plain, live)
    estimator = Estimator(plain, found, Speed(), has_data_keys=True)
    built = outlook.build(plain, live, found, estimator, [], quiet_for=HOUR)
    assert list(built.column_lines()) == []
    steps = {each.stage: each for each in built.steps}
    assert (steps[Stage.INDEXED].locks, steps[Stage.INDEXED].estimate) == ((), None)
    assert steps[Stage.SWITCHED].locks == ()
