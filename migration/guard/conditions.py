"""Conditions on the row before and after a write, by which the guard knows a bypassing writer.

Tokens are random. So a write that changed a plaintext, or what its token is bound to, and left the
bytes of the token as they were, did not encrypt. No key is needed to see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from psycopg.sql import SQL, Composable, Composed, Identifier

from migration.migrated_table import IndexedColumns, MigratedColumn, MigratedTable


def stale(table: MigratedTable, column: MigratedColumn) -> Composed:
    """Return the condition that an update kept the token of a value that it changed."""
    # The tokens first, because those of a correct writer differ.
    return SQL("NEW.{token} = OLD.{token} AND ({})").format(
        _changed(table, column.bound), token=Identifier(column.token)
    )


def any_stale(table: MigratedTable) -> Composed:
    """Return the condition that an updated row has a stale token."""
    return _any_of(stale(table, each) for each in table.columns)


def bypassing_update(table: MigratedTable) -> Composed:
    """Return the condition that an update brought no token or index value for what it changed.

    A row that had none, and whose plaintext did not change, waits for its backfill.
    """
    return _any_of((any_stale(table), *_iter_incomplete(table)))


def bypassing_insert(table: MigratedTable) -> Composed:
    """Return the condition that an inserted row lacks the token or index value of a plaintext."""
    return _any_of((*map(_without_token, table.columns), *map(_without_index, table.indexes)))


def _iter_incomplete(table: MigratedTable) -> Iterator[Composed]:
    for column in table.columns:
        yield _lost(table, _without_token(column), column.bound, column.token)
    for index in table.indexes:
        yield _lost(table, _without_index(index), index.of, index.column)


def _lost(
    table: MigratedTable, missing: Composed, sources: tuple[str, ...], column: str
) -> Composed:
    return SQL("{} AND (OLD.{} IS NOT NULL OR {})").format(
        missing, Identifier(column), _changed(table, sources)
    )


def _without_token(column: MigratedColumn) -> Composed:
    return _missing((column.plaintext,), column.token)


def _without_index(index: IndexedColumns) -> Composed:
    return _missing(index.of, index.column)


def _missing(sources: tuple[str, ...], column: str) -> Composed:
    has_sources = SQL(" AND ").join(
        SQL("NEW.{} IS NOT NULL").format(Identifier(each)) for each in sources
    )
    return SQL("NEW.{} IS NULL AND {}").format(Identifier(column), has_sources)


def _changed(table: MigratedTable, columns: tuple[str, ...]) -> Composed:
    """Return the condition that the stored bytes of one of *columns* changed."""
    exact = (each for each in columns if each not in table.inexact)
    conditions = [
        SQL("OLD.{0} IS DISTINCT FROM NEW.{0}").format(Identifier(each)) for each in exact
    ]
    if inexact := [each for each in columns if each in table.inexact]:
        old, new = (_record(row, inexact) for row in ("OLD", "NEW"))
        conditions.append(SQL("{} OPERATOR(pg_catalog.*<>) {}").format(old, new))
    return SQL(" OR ").join(conditions)


def _record(row: str, columns: Iterable[str]) -> Composed:
    """Return the record of *columns*, which compares by its bytes, whatever the types are."""
    fields = (SQL("{}.{}").format(SQL(row), Identifier(each)) for each in columns)
    return SQL("ROW({})::record").format(SQL(", ").join(fields))


def _any_of(conditions: Iterable[Composable]) -> Composed:
    return SQL(" OR ").join(SQL("({})").format(each) for each in conditions)
