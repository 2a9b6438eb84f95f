"""Migrations whose commands are killed or cross each other: no value is lost, no write refused."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg.errors import QueryCanceled
from psycopg.sql import SQL, Identifier

from migration import error_text, old_columns, state_table, switch, way_back
from migration import plan as plans
from migration.guard import triggers
from migration.passes import passes
from migration.passes.passes import PassKind
from migration.stage import Stage
from migration.table import constraints
from migration.table.migrated_table import MigratedTable
from tests.integration.migration.test_course import ROWS, Hotel, changed_plan

pytestmark = pytest.mark.requires("embedded")


class KilledError(Exception):
    """The command was killed."""


@pytest.fixture
def hotel(hotel: Hotel) -> Hotel:
    # Only a constraint of the migration's own proves a column that may be NULL.
    hotel.execute("ALTER TABLE guests ALTER COLUMN email DROP NOT NULL")
    return hotel


def kill(_: PassKind) -> None:
    raise KilledError


def test_restoration_killed_before_a_nulling_begins_again(hotel: Hotel) -> None:
    expected = hotel.plaintexts()
    hotel.advance(Stage.SWITCHED)
    hotel.between = kill
    with suppress(KilledError):
        hotel.undo()
    with suppress(KilledError):
        hotel.advance(Stage.NULLED)
    hotel.between = lambda _: None
    assert hotel.undo() is Stage.INDEXED
    assert hotel.plaintexts() == expected


def test_nulling_ends_when_another_command_restores(hotel: Hotel) -> None:
    expected = hotel.plaintexts()
    hotel.advance(Stage.SWITCHED)

    def cross(kind: PassKind) -> None:
        if kind is PassKind.NULL:
            assert hotel.undo() is Stage.INDEXED

    hotel.between = cross
    with pytest.raises(state_table.MigrationMoved, match="another command ended this pass"):
        hotel.advance(Stage.NULLED)
    with pytest.raises(state_table.MigrationMoved, match="it is not switched any more"):
        passes.begin(hotel.context(), hotel_table(hotel), PassKind.NULL)
    assert hotel.plaintexts() == expected


def test_restoration_proves_that_each_token_has_its_plaintext(hotel: Hotel) -> None:
    hotel.advance(Stage.SWITCHED)
    hotel.between = lambda _: hotel.write_token(1, "nulling@example.com")
    with pytest.raises(
        old_columns.PlaintextMissing, match="new tokens and no plaintext in email, or"
    ):
        hotel.undo()
    hotel.between = lambda _: None
    assert hotel.undo() is Stage.INDEXED
    assert hotel.plaintexts()[1] == "nulling@example.com"


def test_verification_keeps_a_token_that_is_all_that_has_its_value(hotel: Hotel) -> None:
    hotel.advance(Stage.BACKFILLED)
    hotel.write_token(1, "early@example.com")
    with pytest.raises(passes.RowsStayWrong, match="have new tokens and no plaintext were left"):
        hotel.advance(Stage.SWITCHED)
    assert hotel.opened()[1] == "early@example.com"


def test_token_without_plaintext_is_not_dropped_by_the_way_back(hotel: Hotel) -> None:
    hotel.advance(Stage.INDEXED)
    hotel.write_token(1, "early@example.com")
    with pytest.raises(old_columns.PlaintextMissing, match="new tokens and no plaintext"):
        hotel.undo()
    hotel.advance(Stage.SWITCHED)
    while hotel.undo() is not None:
        pass
    assert hotel.plaintexts()[1] == "early@example.com"


@pytest.mark.parametrize("error", [KilledError, QueryCanceled])
def test_command_killed_before_its_proof_leaves_a_way_back_and_on(
    hotel: Hotel, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    expected = hotel.plaintexts()

    def die(*_: Any) -> None:
        raise error

    hotel.advance(Stage.SWITCHED)
    for step in (lambda: hotel.advance(Stage.NULLED), hotel.undo):
        with monkeypatch.context() as patched:
            patched.setattr(constraints, "validate", die)
            with pytest.raises(error):
                step()
    hotel.advance(Stage.NULLED)
    assert hotel.undo() is Stage.SWITCHED
    with monkeypatch.context() as patched:
        patched.setattr(constraints, "validate", die)
        with pytest.raises(error):
            hotel.advance(Stage.NULLED)
    assert hotel.undo() is Stage.INDEXED
    assert hotel.plaintexts() == expected


def test_write_of_a_long_transaction_gets_its_token_before_the_switch(hotel: Hotel) -> None:
    hotel.advance(Stage.GUARDED)
    with hotel.database.connect() as late, late.transaction():
        late.execute("INSERT INTO guests (id, email) VALUES (%s, 'late@example.com')", (ROWS + 1,))
        hotel.advance(Stage.VERIFIED)
    hotel.advance(Stage.SWITCHED)
    assert hotel.opened() == hotel.plaintexts()


def test_attached_partition_gets_its_tokens_before_the_switch(hotel: Hotel) -> None:
    hotel.execute("ALTER TABLE guests RENAME TO old_guests")
    hotel.execute(
        "CREATE TABLE guests (id int PRIMARY KEY, email varchar(80), visits int)"
        " PARTITION BY RANGE (id)"
    )
    hotel.execute("CREATE TABLE guests_1 PARTITION OF guests FOR VALUES FROM (1) TO (100)")
    hotel.execute("INSERT INTO guests (id, email) VALUES (1, 'first@example.com')")
    hotel.advance(Stage.INDEXED)
    hotel.execute("CREATE TABLE guests_2 (LIKE guests INCLUDING ALL)")
    hotel.execute("INSERT INTO guests_2 (id, email) VALUES (100, 'attached@example.com')")
    hotel.execute("ALTER TABLE guests ATTACH PARTITION guests_2 FOR VALUES FROM (100) TO (200)")
    hotel.advance(Stage.SWITCHED)
    assert hotel.opened() == hotel.plaintexts()
    hotel.execute("DROP TABLE old_guests")


def test_guard_that_was_off_is_found_by_a_session_with_another_path(hotel: Hotel) -> None:
    hotel.advance(Stage.INDEXED)
    for way in ("DISABLE", "ENABLE ALWAYS"):
        hotel.execute(SQL(f"ALTER TABLE guests {way} TRIGGER {triggers.AFTER_INSERT}"))
    with hotel.connect() as connection:
        connection.execute("SET search_path = pg_catalog")
    with pytest.raises(switch.GuardChanged, match="switched off or replaced since"):
        hotel.advance(Stage.SWITCHED)
    with hotel.connect() as connection:
        connection.execute("RESET search_path")


def test_error_of_the_database_has_no_value(hotel: Hotel) -> None:
    hotel.advance(Stage.GUARDED)
    hotel.execute(
        "CREATE FUNCTION check_guest() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN RAISE 'bad address %', NEW.email; END$$"
    )
    hotel.execute(
        "CREATE TRIGGER check_guest BEFORE UPDATE ON guests FOR EACH ROW"
        " EXECUTE FUNCTION check_guest()"
    )
    hotel.execute("ALTER TABLE guests ENABLE ALWAYS TRIGGER check_guest")
    hotel.plan = changed_plan(triggers="fire")
    with pytest.raises(psycopg.Error) as caught:
        hotel.advance(Stage.BACKFILLED)
    assert "@example.com" not in error_text.describe(caught.value)
    assert "P0001" in error_text.describe(caught.value)


def test_second_undo_does_not_go_further_than_was_confirmed(hotel: Hotel) -> None:
    hotel.advance(Stage.INDEXED)
    confirmed = way_back.next_step(Stage.INDEXED)
    assert hotel.undo() is Stage.GUARDED
    with pytest.raises(state_table.MigrationMoved, match="went back first"):
        way_back.go_back(hotel.context(), hotel.run, confirmed)
    assert ("email_token", "bytea", False) in hotel.columns()


def test_guard_that_was_off_while_plaintext_was_removed_is_found(hotel: Hotel) -> None:
    hotel.advance(Stage.SWITCHED)

    def switch_off(_: PassKind) -> None:
        for way in ("DISABLE", "ENABLE ALWAYS"):
            hotel.execute(SQL(f"ALTER TABLE guests {way} TRIGGER {triggers.AFTER_INSERT}"))

    hotel.between = switch_off
    with pytest.raises(switch.GuardChanged, match="switched off or replaced since"):
        hotel.advance(Stage.NULLED)


def test_column_that_a_team_dropped_itself_does_not_strand_the_drop(hotel: Hotel) -> None:
    hotel.advance(Stage.NULLED)
    hotel.execute("ALTER TABLE guests DROP COLUMN email CASCADE")
    hotel.advance(Stage.DROPPED)
    assert len(hotel.opened()) == ROWS


def test_drop_is_refused_if_plaintext_was_let_in_again(hotel: Hotel) -> None:
    hotel.advance(Stage.NULLED)
    hotel.execute(
        SQL("ALTER TABLE guests DROP CONSTRAINT {}").format(Identifier(old_columns.NO_PLAINTEXT))
    )
    hotel.write_both(1, "kept@example.com")
    with pytest.raises(old_columns.PlaintextLeft):
        hotel.advance(Stage.DROPPED)
    assert hotel.plaintexts()[1] == "kept@example.com"


def hotel_table(hotel: Hotel) -> MigratedTable:
    context = hotel.context()
    with context.connect() as connection:
        return plans.to_table(context.plan, context.read_table(connection))
