"""Predicates over a row of a migrated table, composed as SQL."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg.sql import SQL, Composable, Composed, Identifier

from migration.table.migrated_table import MigratedTable


def all_of(conditions: Iterable[Composable]) -> Composed:
    """Return the condition that each of *conditions* holds."""
    return SQL(" AND ").join(conditions)


def any_of(conditions: Iterable[Composable]) -> Composed:
    """Return the condition, in parentheses, that one of *conditions* holds."""
    return SQL("({})").format(SQL(" OR ").join(conditions))


def lacks(row: str, column: str, sources: Iterable[str]) -> Composed:
    """Return the condition that a row has no token or index value of the old values that it has.

    Args:
        row: Alias of the row: ``u`` or ``NEW``.
        column: The column of tokens or index values.
        sources: The old columns that it is of.

    """
    missing = SQL("{}.{} IS NULL").format(SQL(row), Identifier(column))
    return all_of((missing, *(_has_value(row, name) for name in sources)))


def is_incomplete(table: MigratedTable, row: str) -> Composed:
    """Return the condition that *row* has an old value without its token or index value."""
    tokens = (lacks(row, each.token, (each.plaintext,)) for each in table.columns)
    return any_of((*tokens, *(lacks(row, each.column, each.of) for each in table.indexes)))


def has_plaintext(table: MigratedTable, row: str) -> Composed:
    """Return the condition that *row* has a value in an old column."""
    return any_of(_has_value(row, name) for name in table.old_columns)


def _has_value(row: str, column: str) -> Composed:
    return SQL("{}.{} IS NOT NULL").format(SQL(row), Identifier(column))
