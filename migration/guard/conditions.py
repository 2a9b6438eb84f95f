"""Conditions on the row before and after a write, which show the guard a bypassing writer.

Tokens are random. So a write that changed a plaintext, or what its token is bound to, and left the
bytes of the token as they were, did not encrypt; no key is needed to see it.

An equal plaintext has equal bytes. So where tokens are decrypted, the row has the hash of the token
that its plaintext was written with, which shows a write that changed the token and did not name the
plaintext.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from psycopg.sql import SQL, Composed, Identifier

from migration.table.migrated_table import MigratedColumn, MigratedTable
from migration.table.predicates import all_of, any_of, is_of_another_token, lacks


def stale(table: MigratedTable, column: MigratedColumn) -> Composed:
    """Return the condition that an update kept the token of a value that it changed.

    If tokens are decrypted: that it kept the plaintext of a token that it changed.
    """
    if column.decrypted is not None:
        token_hash = column.decrypted.token_hash
        present = (
            SQL("NEW.{} IS NOT NULL").format(Identifier(each)) for each in (column.new, token_hash)
        )
        # First, because a hash takes time, and a write of other columns needs none.
        changed = _changed(table, (column.old, token_hash))
        return all_of((changed, is_of_another_token("NEW", column), any_of(present)))
    # The tokens first, because those of a correct writer differ.
    return SQL("NEW.{token} = OLD.{token} AND {}").format(
        _changed(table, column.bound), token=Identifier(column.new)
    )


def any_stale(table: MigratedTable) -> Composed:
    """Return the condition that an updated row has a stale token."""
    return any_of(stale(table, each) for each in table.columns)


def bypassing_update(table: MigratedTable) -> Composed:
    """Return the condition that an update brought no token or index value for what it changed.

    A row that had none, and whose plaintext did not change, waits for its backfill.
    """
    return any_of((any_stale(table), *_iter_lost(table)))


def _iter_lost(table: MigratedTable) -> Iterator[Composed]:
    for column in table.columns:
        missing = lacks("NEW", column.new, column.old)
        yield all_of((missing, _had_or_changed(table, column.new, column.bound)))
    for index in table.indexes:
        missing = lacks("NEW", index.column, index.of)
        yield all_of((missing, _had_or_changed(table, index.column, (index.of,))))


def _had_or_changed(table: MigratedTable, column: str, sources: tuple[str, ...]) -> Composed:
    had = SQL("OLD.{} IS NOT NULL").format(Identifier(column))
    return any_of((had, _changed(table, sources)))


def _changed(table: MigratedTable, columns: tuple[str, ...]) -> Composed:
    """Return the condition that the stored bytes of one of *columns* changed."""
    exact = (each for each in columns if each not in table.inexact)
    conditions = [
        SQL("OLD.{0} IS DISTINCT FROM NEW.{0}").format(Identifier(each)) for each in exact
    ]
    if inexact := [each for each in columns if each in table.inexact]:
        old, new = (_record(row, inexact) for row in ("OLD", "NEW"))
        conditions.append(SQL("{} OPERATOR(pg_catalog.*<>) {}").format(old, new))
    return any_of(conditions)


def _record(row: str, columns: Iterable[str]) -> Composed:
    """Return the record of *columns*, which compares by its bytes, whatever the types are."""
    fields = (SQL("{}.{}").format(SQL(row), Identifier(each)) for each in columns)
    return SQL("ROW({})::record").format(SQL(", ").join(fields))
