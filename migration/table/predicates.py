"""Predicates over a row of a migrated table, composed as SQL."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg.sql import SQL, Composable, Composed, Identifier

from migration.table.migrated_table import MigratedColumn, MigratedTable


def all_of(conditions: Iterable[Composable]) -> Composed:
    """Return the condition that each of *conditions* holds."""
    return SQL(" AND ").join(conditions)


def any_of(conditions: Iterable[Composable]) -> Composed:
    """Return the condition, in parentheses, that one of *conditions* holds."""
    return SQL("({})").format(SQL(" OR ").join(conditions))


def lacks(row: str, column: str, source: str) -> Composed:
    """Return the condition that a row has no token or index value of the old value that it has."""
    missing = SQL("{}.{} IS NULL").format(SQL(row), Identifier(column))
    return all_of((missing, _has_value(row, source)))


def is_incomplete(table: MigratedTable, row: str) -> Composed:
    """Return the condition that *row* has an old value without its token or index value."""
    tokens = (_lacks_value(row, each) for each in table.columns)
    return any_of((*tokens, *(lacks(row, each.column, each.of) for each in table.indexes)))


def has_old_value(table: MigratedTable, row: str) -> Composed:
    """Return the condition that *row* has a value in an old column."""
    return any_of(_has_value(row, name) for name in table.old_columns)


def is_of_another_token(row: str, column: MigratedColumn) -> Composed:
    """Return the condition that the plaintext of *row* is of another token than the row has."""
    if column.decrypted is None:
        raise ValueError(f"{column.old}: its new column has tokens; it has no hash")
    return SQL("{}.{} IS DISTINCT FROM {}").format(
        SQL(row), Identifier(column.decrypted.token_hash), hash_token(row, column)
    )


def hash_token(row: str, column: MigratedColumn) -> Composed:
    """Return the hash of the old token of *row*."""
    token = SQL("{}.{}").format(SQL(row), Identifier(column.old))
    if column.has_text:
        token = SQL("pg_catalog.convert_to({}, 'UTF8')").format(token)
    return SQL("pg_catalog.sha256({})").format(token)


def _lacks_value(row: str, column: MigratedColumn) -> Composed:
    """Return the condition that *row* has an old value, and not the new one of it."""
    if column.decrypted is None:
        return lacks(row, column.new, column.old)
    missing = SQL("{}.{} IS NULL").format(SQL(row), Identifier(column.new))
    other = any_of((missing, is_of_another_token(row, column)))
    return all_of((_has_value(row, column.old), other))


def _has_value(row: str, column: str) -> Composed:
    return SQL("{}.{} IS NOT NULL").format(SQL(row), Identifier(column))
