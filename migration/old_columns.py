"""Changes of the old columns after reads are switched: NULL allowed, demanded, dropped."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final, NoReturn

from psycopg import Connection
from psycopg.errors import CheckViolation, DependentObjectsStillExist, QueryCanceled
from psycopg.sql import SQL, Composed, Identifier

from app_integration.errors import ConfigurationError, StrongroomError
from migration import state_table
from migration.table import column_rules, constraints, live_table, predicates, table_lock
from migration.table.column_rules import ColumnRules
from migration.table.live_table import LiveTable
from migration.table.migrated_table import MigratedTable
from migration.table.table_lock import Pacing

#: Constraint that no row has a value in an old column.
NO_PLAINTEXT: Final = "strongroom_no_plaintext"
#: Constraint that each row has the old values that it must have.
HAS_PLAINTEXT: Final = "strongroom_has_plaintext"
_CONSTRAINTS: Final = (NO_PLAINTEXT, HAS_PLAINTEXT)


class PlaintextLeft(StrongroomError):
    """Rows have a value in an old column. Writes of such values are not refused."""


class PlaintextMissing(StrongroomError):
    """Rows lack an old value that they must have."""


def clear_leftovers(
    connection: Connection, name: str, table: MigratedTable, lifted: ColumnRules, pacing: Pacing
) -> None:
    """Remove the rules that a killed command left, or an earlier version did not lift.

    Else writes of the application, and the passes, would be refused.
    """
    rules = column_rules.read(connection, table)

    def make(held: Connection) -> None:
        column_rules.lift(held, table, rules)
        state_table.note_lifted(held, name, lifted | rules)
        for each in _CONSTRAINTS:
            constraints.drop(held, table, each)

    if rules or constraints.exist(connection, table, _CONSTRAINTS):
        table_lock.change(connection, table, make, pacing)


def require_values(
    connection: Connection,
    table: MigratedTable,
    rules: ColumnRules,
    pacing: Pacing,
    finish: Callable[[Connection], object],
) -> None:
    """Prove that each token has its old value, and put the rules of the old columns back.

    A validated constraint proves it first, so that the last change reads no row. *finish* is called
    in the transaction that ends the proof.
    """
    constraints.add(connection, table, HAS_PLAINTEXT, _has_values(table, rules.required), pacing)

    def require(held: Connection) -> None:
        column_rules.put_back(held, table, rules)
        constraints.drop(held, table, HAS_PLAINTEXT)
        finish(held)

    try:
        constraints.validate(connection, table, HAS_PLAINTEXT)
    except CheckViolation:
        constraints.remove(connection, table, HAS_PLAINTEXT, pacing)
        raise PlaintextMissing(
            f"{table.schema}.{table.name}: rows have {table.new_values} and no {table.old_values}"
            f" in {', '.join(table.old_columns)}, or one of these was NOT NULL and has no value;"
            " deploy the version that writes both first"
        ) from None
    table_lock.change(connection, table, require, pacing)


def _has_values(table: MigratedTable, required: Collection[str]) -> Composed:
    """Return the condition that a row has the *required* values, and the old ones of its tokens."""
    of_tokens = (
        SQL("({} IS NULL OR {} IS NOT NULL)").format(Identifier(each.new), Identifier(each.old))
        for each in table.columns
        if each.old not in required
    )
    present = (SQL("{} IS NOT NULL").format(Identifier(name)) for name in required)
    return predicates.all_of((*present, *of_tokens))


def check_values(connection: Connection, table: MigratedTable) -> None:
    """Check that no row has a token without its old value, which would be lost with the token."""
    lost = predicates.any_of(
        SQL("({} IS NULL AND {} IS NOT NULL)").format(Identifier(each.old), Identifier(each.new))
        for each in table.columns
    )
    if live_table.has_row(connection, table.identifier, lost):
        raise PlaintextMissing(
            f"{table.schema}.{table.name}: rows have {table.new_values} and no {table.old_values},"
            f" as a version writes them that removes {table.old_values}; deploy the version that"
            " writes both everywhere. If it is indexed, switch once more and undo that, which"
            " restores them; else write these rows again by the application"
        )


def refuse_plaintext(connection: Connection, table: MigratedTable, pacing: Pacing) -> None:
    """Let the database refuse each row with a value in an old column, if there is none."""
    if has_old_value(connection, table):
        _raise_left(table)
    has_none = predicates.all_of(
        SQL("{} IS NULL").format(Identifier(name)) for name in table.old_columns
    )
    constraints.add(connection, table, NO_PLAINTEXT, has_none, pacing)
    try:
        constraints.validate(connection, table, NO_PLAINTEXT)
    except (CheckViolation, QueryCanceled) as error:
        # Else nobody could write these rows.
        constraints.remove(connection, table, NO_PLAINTEXT, pacing)
        if isinstance(error, QueryCanceled):
            raise
        _raise_left(table)


def ensure_refused(
    connection: Connection, table: MigratedTable, live: LiveTable, pacing: Pacing
) -> None:
    """Let the database refuse old values again, if the constraint was dropped."""
    left = tuple(each for each in table.columns if each.old in live.columns)
    indexes = tuple(each for each in table.old_indexes if each.column in live.columns)
    if (left or indexes) and not constraints.exist(connection, table, [NO_PLAINTEXT]):
        refuse_plaintext(connection, replace(table, columns=left, old_indexes=indexes), pacing)


def forget_samples(connection: Connection, table: MigratedTable) -> None:
    """Compute the planner's statistics again, which have values of the old columns until then.

    All of them, because those of several columns are left out where columns are named.
    """
    connection.execute(SQL("ANALYZE {}").format(table.identifier))


def has_old_value(connection: Connection, table: MigratedTable) -> bool:
    """Return whether a row has a value in an old column."""
    condition = predicates.has_old_value(table, "u")
    return live_table.has_row(connection, table.identifier, condition)


def drop(connection: Connection, table: MigratedTable) -> None:
    """Drop the old columns and hashes. The caller's transaction holds the table alone."""
    columns = SQL(", ").join(
        SQL("DROP COLUMN IF EXISTS {}").format(Identifier(name))
        for name in (*table.old_columns, *table.hashes)
    )
    try:
        connection.execute(SQL("ALTER TABLE {} {}").format(table.identifier, columns))
    except DependentObjectsStillExist as error:
        raise ConfigurationError(
            f"{table.schema}.{table.name}: {error.diag.message_detail or error}; change or drop"
            " that, and repeat the command"
        ) from None


def _raise_left(table: MigratedTable) -> NoReturn:
    raise PlaintextLeft(
        f"{table.schema}.{table.name}: rows have {table.old_values}, which an application still"
        f" writes; deploy the version that writes {table.new_values} alone everywhere, and repeat"
        " the command; once it is nulled, undo that first"
    )
