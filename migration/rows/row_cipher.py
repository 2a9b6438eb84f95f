"""Encryption of the rows of a migrated table, and the proof that tokens are of their sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.declared_field import DeclaredField
from app_integration.errors import DecryptionFailed, EncryptionError
from migration.rows.rows import OpenedRows, Rows, find_differences
from migration.rows.source_cipher import (
    SourceCipher,
    check_json_null,
    raise_for_row,
    to_stored,
    to_tokens,
)
from migration.table.migrated_table import IndexedColumn, MigratedColumn, MigratedTable

#: What is written into a column: tokens, index values, or plaintext.
_Column: TypeAlias = list[Any]


class RowCipher:
    """Encrypts and checks the rows of one table, with the keys of a service."""

    def __init__(
        self,
        table: MigratedTable,
        fields: Mapping[str, DeclaredField],
        indexes: Mapping[str, BlindIndex],
        sources: SourceCipher | None = None,
    ) -> None:
        """Create a cipher. No request is sent.

        The context of each of *fields* has the names of the column's, in order; *sources* is None
        if all old columns have plaintext.
        """
        self.sources = sources or SourceCipher(table)
        self._table = table
        self._fields = fields
        self._indexes = indexes

    def encrypt(self, rows: Rows, *, anew: bool = False) -> list[_Column]:
        """Return what to write into each written column of the table, for each of *rows*.

        It is None where the row has no old value or, if not *anew*, has a token or index value.
        Where tokens are decrypted, it is the plaintext. Each new token is decrypted and compared,
        so that a fault of this machine is found before it is stored.
        """
        rows = self.sources.decrypt(rows)
        if anew:
            nothing = dict.fromkeys(self._table.written, [None] * len(rows))
            rows = replace(rows, columns={**rows.columns, **nothing})
        return self._encrypt(rows)

    def _encrypt(self, rows: Rows) -> list[_Column]:
        """Return what :meth:`encrypt` does, for rows with values in place of old columns."""
        tokens = [self._encrypt_column(each, rows) for each in self._table.columns]
        return tokens + [self._index_column(each, rows) for each in self._table.indexes]

    def open(self, rows: Rows) -> OpenedRows:
        """Return *rows* with the values of their tokens."""
        values: dict[str, list[Any]] = {}
        failed: set[int] = set()
        for column in self._table.columns:
            stored, plaintexts = rows.columns[column.new], rows.columns[column.old]
            pairs = enumerate(zip(stored, plaintexts, strict=True))
            alone = [at for at, (one, other) in pairs if one is None and other is not None]
            check_json_null(self._table, column, rows.choose(alone))
            failed.update(alone)
            if column.decrypted is not None:
                values[column.old] = list(stored)
                continue
            context = [rows.columns[name] for name in column.context]
            opened = self._fields[column.old].decrypt_many(to_tokens(stored), *context)
            values[column.old] = opened.results
            failed.update(opened.failed)
        columns = {**rows.columns, **values}
        return OpenedRows(rows, replace(rows, columns=columns), frozenset(failed))

    def find_changes(self, opened: OpenedRows) -> dict[str, list[bool]]:
        """Return by old column whether its value differs from that of the token, for each row.

        An old token that does not decrypt differs.
        """
        sources = self.sources.open(opened.rows)
        changes = {
            name: find_differences(sources.rows.columns[name], opened.values.columns[name])
            for name in self._table.migrated
        }
        for name, failed in sources.failed.items():
            for at in failed:
                changes[name][at] = True
        return changes

    def renew(self, opened: OpenedRows, changes: Mapping[str, Sequence[bool]]) -> list[_Column]:
        """Return what to write into each written column of the table, for each row of *opened*.

        *changes* says by old column whether a row gets a fresh token. Otherwise it keeps its token,
        and index values that are right.
        """
        kept = dict(opened.values.columns)
        for column in self._table.columns:
            pairs = zip(kept[column.new], changes[column.old], strict=True)
            kept[column.new] = [None if is_renewed else token for token, is_renewed in pairs]
        for index in self._table.indexes:
            wrong = self._mismatched_index_values(index, opened.values)
            stored = enumerate(kept[index.column])
            kept[index.column] = [None if at in wrong else value for at, value in stored]
        new = self._encrypt(replace(opened.values, columns=kept))
        return [
            [one if one is not None else other for one, other in zip(kept[name], made, strict=True)]
            for name, made in zip(self._table.written, new, strict=True)
        ]

    def find_incomplete(self, rows: Rows) -> list[int]:
        """Return the positions of rows that have an old value without its token or index value."""
        pairs = [(each.new, each.old) for each in self._table.columns]
        pairs += [(each.column, each.of) for each in self._table.indexes]
        lacking = (
            [one is None and other is not None for one, other in zip(*columns, strict=True)]
            for columns in ((rows.columns[new], rows.columns[old]) for new, old in pairs)
        )
        return [at for at, lacks in enumerate(zip(*lacking, strict=True)) if any(lacks)]

    def find_mismatches(self, rows: Rows) -> set[int]:
        """Return the positions of rows whose tokens or index values are not of their old value."""
        opened = self.open(rows)
        found = set(opened.failed)
        for changed in self.find_changes(opened).values():
            found.update(at for at, is_changed in enumerate(changed) if is_changed)
        for index in self._table.indexes:
            found |= self._mismatched_index_values(index, opened.values)
        return found

    def find_tokens_alone(self, rows: Rows) -> set[int]:
        """Return the positions of the rows that have a value in a token, and no old one."""
        values = self.open(rows).values
        return {
            at
            for name in self._table.migrated
            for at, (stored, value) in enumerate(
                zip(rows.columns[name], values.columns[name], strict=True)
            )
            if stored is None and value is not None
        }

    def _encrypt_column(self, column: MigratedColumn, rows: Rows) -> _Column:
        if column.decrypted is not None:
            return list(rows.columns[column.old])
        field, stored = self._fields[column.old], rows.columns[column.new]
        values = [
            value if token is None else None
            for value, token in zip(rows.columns[column.old], stored, strict=True)
        ]
        context = [rows.columns[name] for name in column.context]
        try:
            tokens = field.encrypt_many(values, *context)
        except EncryptionError:
            raise_for_row(field, values, context, self._table.name_cells(column, rows.keys))
            raise
        if field.decrypt_many(tokens, *context).values() != values:
            raise DecryptionFailed(
                f"{field.binding.field}: a new token does not decrypt to its value; nothing of"
                " this batch was written. Check this machine's memory"
            )
        return to_stored(tokens)

    def _index_column(self, index: IndexedColumn, rows: Rows) -> _Column:
        stored = rows.columns[index.column]
        pairs = zip(stored, rows.columns[index.of], strict=True)
        values = [value if each is None else None for each, value in pairs]
        return self._indexes[index.column].values(values)

    def _mismatched_index_values(self, index: IndexedColumn, rows: Rows) -> set[int]:
        """Return the positions of the rows whose value of *index* is not of their values.

        Most have that of the version that is written now. Any other live version is right too.
        """
        blind_index, values = self._indexes[index.column], rows.columns[index.of]
        stored, expected = rows.columns[index.column], blind_index.values(values)
        pairs = enumerate(zip(stored, expected, strict=True))
        others = [at for at, (one, other) in pairs if one != other]
        return {
            at for at in others if not _is_among(stored[at], blind_index.candidates(values[at]))
        }


def _is_among(stored: Any, candidates: Sequence[bytes]) -> bool:
    return stored in candidates if candidates else stored is None
