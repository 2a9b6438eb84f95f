"""Course of a migration from tokens to plaintext and back, beside the application."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

import psycopg
import pytest
from psycopg.errors import CheckViolation
from psycopg.sql import SQL, Identifier

from app_integration.errors import ConfigurationError, EncryptionError
from migration import old_columns, switch
from migration.guard import recorded_writes, triggers
from migration.passes.passes import RowsStayWrong
from migration.rows.row_statements import RowStatements
from migration.rows.source_cipher import OldTokenInvalid
from migration.rows.stored_values import ValueNotStored
from migration.stage import Stage
from migration.table import live_table
from migration.table.migrated_table import DecryptedColumn, MigratedColumn, MigratedTable
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.decrypted_tokens import (
    BOUNDS,
    COLUMNS,
    ROWS,
    Registry,
    make_values,
)

pytestmark = pytest.mark.requires("embedded")

#: Gives member 7 a token of member 8.
_SPOIL: Final = """
    WITH one AS (SELECT * FROM members WHERE id = 8)
    UPDATE members SET remark_token = (SELECT remark_token FROM one) WHERE id = 7
"""
#: Values of tokens that their columns do not keep, in the order in which the table refuses them.
UNSTORED: Final[tuple[tuple[str, Any, str], ...]] = (
    ("settings", {"a": "secret\0"}, "unsupported Unicode escape"),
    ("seen", datetime(2026, 1, 1), "column seen: it would keep another"),  # noqa: DTZ001 (naive)
    ("settings", {"a": 1e300}, "column settings: it would keep another"),
)
#: Plaintexts that no token can have, by column.
UNENCRYPTED: Final[tuple[tuple[str, LiteralString], ...]] = (
    ("settings", "'null'"),
    ("settings", "'7'"),
    ("balance", "'NaN'"),
    ("born", "'infinity'"),
    ("born", "'-infinity'"),
    ("born", "'0044-03-15 BC'"),
    ("seen", "'infinity'"),
    ("seen", "'10000-01-01 00:00Z'"),
)


@pytest.fixture
def registry(database: OwnDatabase) -> Iterator[Registry]:
    with Registry(database).with_table() as registry:
        yield registry


def test_course_ends_without_tokens(registry: Registry) -> None:
    registry.advance(Stage.GUARDED)
    registry.write_both(1, make_values(301))
    registry.write_old(2, make_values(302))
    registry.write_old(ROWS + 1, make_values(303))
    registry.advance(Stage.SWITCHED)
    assert registry.read_old() == registry.read_new() == registry.values
    registry.write_both(3, make_values(304))
    registry.write_new(4, make_values(305))
    registry.write_new(ROWS + 2, make_values(306))
    registry.write_new(5, dict.fromkeys(COLUMNS))
    registry.advance(Stage.NULLED)
    assert registry.read_new() == registry.values
    assert registry.execute("SELECT count(email_token), count(email_index) FROM members") == [
        (0, 0)
    ]
    with pytest.raises(CheckViolation, match=old_columns.NO_PLAINTEXT):
        registry.write_both(6, make_values(6))
    registry.advance(Stage.DROPPED)
    registry.execute("UPDATE members SET visits = 1")
    names = [name for name, *_ in registry.columns()]
    assert names == ["id", "visits", *COLUMNS]
    assert registry.read_new() == registry.values


def test_triggers_that_store_hashes_are_not_in_the_inventory(registry: Registry) -> None:
    registry.advance(Stage.GUARDED)
    with registry.connect() as connection:
        found = registry.context().read_dependents(connection)
    assert not [each.name for each in found if "strongroom" in each.name]


def test_equal_value_under_another_token_is_no_bypass(registry: Registry) -> None:
    for stage in (Stage.GUARDED, Stage.DUAL_WRITING, Stage.BACKFILLED, Stage.SWITCHED):
        registry.advance(stage)
        for _ in range(2):
            registry.write_both(1, registry.values[1])
        with registry.connect() as connection:
            assert not recorded_writes.read_writers(connection, "members")
    assert registry.read_old() == registry.read_new() == registry.values


@pytest.mark.parametrize("value", ["late@example.com", "Member9@example.com", None])
def test_writer_of_tokens_alone_is_named_and_then_refused(
    registry: Registry, value: str | None
) -> None:
    registry.advance(Stage.GUARDED)
    registry.write_both(9, {"email": "Member9@example.com"})
    with registry.database.connect() as connection:
        connection.execute("SET application_name = 'old club'")
        token = registry.encrypt(9, {"email": value})["email_token"]
        connection.execute("UPDATE members SET email_token = %s WHERE id = 9", (token,))
        registry.values[9]["email"] = value
        found = connection.execute("SELECT email, email_token_hash FROM members WHERE id = 9")
        assert found.fetchall() == [(None, None)]
        (writer,) = recorded_writes.read_writers(connection, "members")
    assert (writer.application, writer.operation, writer.writes) == ("old club", "UPDATE", 1)
    registry.execute(
        "UPDATE members SET email_index = %s WHERE id = 9", registry.index.value(value)
    )
    for stage in (Stage.DUAL_WRITING, Stage.INDEXED, Stage.SWITCHED):
        registry.advance(stage)
        with pytest.raises(psycopg.Error, match="brought no plaintext"):
            registry.execute("UPDATE members SET email_token = %s WHERE id = 1", b"bypass")
        with pytest.raises(psycopg.Error, match="brought no plaintext"):
            registry.execute("INSERT INTO members (id, email_token) VALUES (999, 'bypass')")
    assert registry.read_old() == registry.read_new() == registry.values


def test_row_that_is_not_yet_decrypted_takes_other_writes(registry: Registry) -> None:
    registry.advance(Stage.DUAL_WRITING)
    registry.execute("UPDATE members SET visits = visits + 1")
    registry.advance(Stage.SWITCHED)
    assert registry.read_new() == registry.values


def test_values_at_the_bounds_of_their_types_are_equal_on_both_ways(registry: Registry) -> None:
    for number, values in enumerate(BOUNDS, 1):
        registry.write_old(number, values)
    registry.advance(Stage.SWITCHED)
    assert registry.read_new() == registry.values
    for number, values in enumerate(BOUNDS, ROWS + 1):
        registry.write_new(number, values)
    registry.execute("UPDATE members SET seen = '2026-01-31 24:00Z' WHERE id = 9")
    registry.values[9]["seen"] = datetime(2026, 2, 1, tzinfo=UTC)
    assert registry.undo() is Stage.INDEXED
    assert registry.read_old() == registry.read_new() == registry.values


def test_row_whose_key_python_does_not_have_is_named(database: OwnDatabase) -> None:
    column = DecryptedColumn("text", "guest_hash")
    guest = MigratedColumn("guest_token", "guest", (), ("id",), decrypted=column)
    table = MigratedTable("public", "stays", ("id", "until"), (guest,), times=frozenset({"until"}))
    with database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(
            "CREATE TABLE stays (id int, until timestamp, guest_token bytea, guest text,"
            " guest_hash bytea, PRIMARY KEY (id, until))"
        )
        connection.execute("INSERT INTO stays VALUES (7, '2026-01-31'), (8, 'infinity')")
        statements = RowStatements(table, live_table.read(connection, "public", "stays"))
        with pytest.raises(
            ConfigurationError, match="stays, row 8, infinity, column until: its key"
        ):
            statements.read_range(connection, None, None, 9, incomplete=False)


def test_plaintext_of_another_value_is_replaced_before_the_switch(registry: Registry) -> None:
    registry.advance(Stage.BACKFILLED)
    registry.execute("UPDATE members SET email = 'wrong@example.com' WHERE id = 7")
    registry.advance(Stage.SWITCHED)
    assert registry.read_new() == registry.values


def test_plaintext_without_a_token_ends_the_command_before_the_switch(registry: Registry) -> None:
    registry.advance(Stage.BACKFILLED)
    registry.execute("UPDATE members SET email = 'new', email_token = NULL WHERE id = 7")
    with pytest.raises(RowsStayWrong, match="have plaintext and no old tokens"):
        registry.advance(Stage.SWITCHED)
    assert registry.execute("SELECT email FROM members WHERE id = 7") == [("new",)]
    registry.write_both(7, registry.values[7])
    registry.advance(Stage.SWITCHED)


@pytest.mark.parametrize("before", [Stage.INDEXED, Stage.SWITCHED])
def test_trigger_that_was_off_is_found(registry: Registry, before: Stage) -> None:
    registry.advance(before)
    trigger = f"{triggers.ADD_HASH}_1"
    registry.execute(SQL("ALTER TABLE members DISABLE TRIGGER {}").format(Identifier(trigger)))
    registry.execute(
        SQL("ALTER TABLE members ENABLE ALWAYS TRIGGER {}").format(Identifier(trigger))
    )
    with pytest.raises(switch.GuardChanged, match=f"{trigger} on public.members was switched off"):
        registry.advance(Stage.NULLED)


def test_nulling_is_refused_after_an_old_version_wrote_past_the_guard(registry: Registry) -> None:
    registry.advance(Stage.SWITCHED)
    plaintexts = registry.read_new()
    with registry.unguarded():
        # Of the same columns, as a token without its plaintext would stay.
        registry.write_old(7, make_values(7 + 25 * len(COLUMNS)))
    for _ in range(2):
        with pytest.raises(switch.GuardChanged, match="was switched off or replaced since"):
            registry.advance(Stage.NULLED)
    assert registry.read_old() == registry.values
    # The way back brings what is read since the switch, and the guard is known as it is at its end.
    registry.values[7] = plaintexts[7]
    assert registry.undo() is Stage.INDEXED
    assert registry.read_old() == registry.read_new() == registry.values
    with pytest.raises(switch.GuardChanged):
        registry.advance(Stage.SWITCHED)
    assert registry.undo() is Stage.GUARDED
    registry.advance(Stage.NULLED)


def test_drop_is_refused_after_an_old_version_wrote_past_the_guard(registry: Registry) -> None:
    registry.advance(Stage.NULLED)
    with registry.unguarded():
        with pytest.raises(CheckViolation, match=old_columns.NO_PLAINTEXT):
            registry.write_old(7, {"email": "late@example.com"})
        constraint = Identifier(old_columns.NO_PLAINTEXT)
        registry.execute(SQL("ALTER TABLE members DROP CONSTRAINT {}").format(constraint))
        token = registry.encrypt(7, {"email": "late@example.com"})["email_token"]
        registry.execute("UPDATE members SET email_token = %s WHERE id = 7", token)
    for _ in range(2):
        with pytest.raises(old_columns.PlaintextLeft):
            registry.advance(Stage.DROPPED)
    assert registry.execute("SELECT email_token FROM members WHERE id = 7") == [(token,)]


@pytest.mark.parametrize("before", [Stage.GUARDED, Stage.BACKFILLED])
def test_token_that_does_not_open_ends_the_command_and_is_named(
    registry: Registry, before: Stage
) -> None:
    registry.advance(before)
    # As a faulty application would bring it: later with plaintext, past the guard.
    token = "" if before is Stage.GUARDED else "remark = 'x', "
    registry.execute(_SPOIL.replace("SET ", f"SET {token}"))
    for _ in range(2):
        with pytest.raises(OldTokenInvalid) as caught:
            registry.advance(Stage.SWITCHED)
        assert "public.members, row 7, column remark_token: its token does not" in str(caught.value)
    registry.write_both(7, make_values(7))
    registry.advance(Stage.SWITCHED)
    assert registry.read_new() == registry.values


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("email", "x" * 41, "value too long"),
        ("age", 2**31, "integer out of range"),
        ("balance", Decimal("0.125"), "column balance: it would keep another value"),
        ("balance", Decimal(10) ** 10, "numeric field overflow"),
        ("remark", "secret\0", "0x00"),
    ],
)
def test_value_that_does_not_fit_ends_the_command_and_its_row_is_named(
    registry: Registry, column: str, value: Any, reason: str
) -> None:
    registry.write_old(30, {column: value})
    registry.advance(Stage.GUARDED)
    for _ in range(2):
        with pytest.raises(ValueNotStored, match=reason) as caught:
            registry.advance(Stage.SWITCHED)
        assert "public.members, row 30" in str(caught.value)
        assert str(value).strip("\0") not in str(caught.value)
    registry.write_both(30, make_values(30))
    registry.advance(Stage.SWITCHED)
    assert registry.read_new() == registry.values


def test_each_value_that_is_not_stored_as_it_is_is_named(registry: Registry) -> None:
    for number, (column, value, _) in enumerate(UNSTORED, 30):
        registry.write_old(number, {column: value})
    for number, (_, _, reason) in enumerate(UNSTORED, 30):
        with pytest.raises(ValueNotStored, match=f"row {number}.* {reason}"):
            registry.advance(Stage.SWITCHED)
        registry.write_both(number, make_values(number))
    registry.advance(Stage.SWITCHED)
    assert registry.read_new() == registry.values


def test_plaintext_that_no_token_can_have_ends_the_way_back_and_its_row_is_named(
    registry: Registry,
) -> None:
    registry.advance(Stage.SWITCHED)
    for column, value in UNENCRYPTED:
        registry.execute(
            SQL("UPDATE members SET {} = {} WHERE id = 30").format(Identifier(column), SQL(value))
        )
        for _ in range(2):
            with pytest.raises(EncryptionError, match=f"row 30, column {column}_token"):
                registry.undo()
        registry.write_both(30, make_values(30))
    assert registry.undo() is Stage.INDEXED
    assert registry.read_old() == registry.values
