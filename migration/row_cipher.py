"""Encryption of the rows of a migrated table, and the proof that tokens are of their plaintexts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.core import Token
from app_integration.encryption.declared_field import DeclaredField
from app_integration.errors import DecryptionFailed, EncryptionError
from app_integration.integrations import orm_values
from migration.migrated_table import IndexedColumns, MigratedColumn, MigratedTable
from migration.rows import Rows

_Bytes: TypeAlias = list[bytes | None]


class RowCipher:
    """Encrypts and checks the rows of one table, with the keys of a service."""

    def __init__(
        self,
        table: MigratedTable,
        fields: Mapping[str, DeclaredField],
        indexes: Mapping[str, BlindIndex],
    ) -> None:
        """Create a cipher. No request is sent.

        Args:
            table: The table.
            fields: The declared field of each plaintext column, whose context has the names of
                the column's, in order.
            indexes: The blind index of each index column.

        """
        self._table = table
        self._fields = fields
        self._indexes = indexes

    def encrypt(self, rows: Rows, *, anew: bool = False) -> list[_Bytes]:
        """Return what to write into each written column of the table, for each of *rows*.

        It is None where the row has no plaintext, or has a token or index value already. Each token
        is decrypted and compared before it is returned, so that a fault of this machine is found
        before it is stored.

        Args:
            rows: The rows.
            anew: Whether rows that have tokens and index values get new ones.

        Raises:
            EncryptionError: If a value cannot be encrypted or bound.
            DecryptionFailed: If a new token does not decrypt to its plaintext.
            KeyUnavailable: If a key is not cached, and cannot be read or wrapped now.

        """
        if anew:
            nothing = dict.fromkeys(self._table.written, [None] * len(rows))
            rows = replace(rows, columns={**rows.columns, **nothing})
        tokens = [self._encrypt_column(each, rows) for each in self._table.columns]
        return tokens + [self._index_column(each, rows) for each in self._table.indexes]

    def find_mismatches(self, rows: Rows) -> set[int]:
        """Return the positions of the rows whose tokens or index values are not of their plaintext.

        Raises:
            KeyUnavailable: If a key is not cached, and cannot be read or unwrapped now.

        """
        found: set[int] = set()
        for column in self._table.columns:
            found |= self._mismatched_tokens(column, rows)
        for index in self._table.indexes:
            found |= self._mismatched_index_values(index, rows)
        return found

    def _encrypt_column(self, column: MigratedColumn, rows: Rows) -> _Bytes:
        field, stored = self._fields[column.plaintext], rows.columns[column.token]
        values = [
            value if token is None else None
            for value, token in zip(rows.columns[column.plaintext], stored, strict=True)
        ]
        context = [rows.columns[name] for name in column.context]
        try:
            tokens = field.encrypt_many(values, *context)
        except EncryptionError:
            self._raise_for_row(column, values, rows)
            raise
        if field.decrypt_many(tokens, *context).values() != values:
            raise DecryptionFailed(
                f"{field.binding.field}: a new token does not decrypt to its plaintext; nothing of"
                " this batch was written. Check this machine's memory"
            )
        return [None if token is None else _to_bytes(token) for token in tokens]

    def _raise_for_row(self, column: MigratedColumn, values: Sequence[object], rows: Rows) -> None:
        """Raise an error that names the first row whose value cannot be encrypted."""
        field = self._fields[column.plaintext]
        for at, value in enumerate(values):
            context = [rows.columns[name][at] for name in column.context]
            try:
                field.encrypt(value, *context)
            except EncryptionError as error:
                key = ", ".join(rows.keys[at])
                raise EncryptionError(
                    f"{self._table.schema}.{self._table.name}, row {key}, column"
                    f" {column.plaintext}: {error}"
                ) from None

    def _index_column(self, index: IndexedColumns, rows: Rows) -> _Bytes:
        compute: Callable[..., bytes | None] = self._indexes[index.column].value
        sources = (rows.columns[name] for name in index.of)
        return [
            compute(*values) if stored is None else None
            for stored, *values in zip(rows.columns[index.column], *sources, strict=True)
        ]

    def _mismatched_tokens(self, column: MigratedColumn, rows: Rows) -> set[int]:
        tokens = [_from_bytes(each) for each in rows.columns[column.token]]
        context = [rows.columns[name] for name in column.context]
        opened = self._fields[column.plaintext].decrypt_many(tokens, *context)
        pairs = zip(opened.results, rows.columns[column.plaintext], strict=True)
        wrong = (at for at, (one, other) in enumerate(pairs) if not _is_same(one, other))
        return {*opened.failed, *wrong}

    def _mismatched_index_values(self, index: IndexedColumns, rows: Rows) -> set[int]:
        candidates = self._indexes[index.column].candidates
        sources = (rows.columns[name] for name in index.of)
        return {
            at
            for at, (stored, *values) in enumerate(
                zip(rows.columns[index.column], *sources, strict=True)
            )
            if not _is_among(stored, candidates(*values))
        }


def _is_same(one: object, other: object) -> bool:
    """Return whether two values are equal, and not only in Python, where 1 and True are."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return one == other


def _is_among(stored: Any, candidates: Sequence[bytes]) -> bool:
    return stored in candidates if candidates else stored is None


def _to_bytes(token: Token) -> bytes:
    return token.encode("ascii") if isinstance(token, str) else token


def _from_bytes(stored: bytes | None) -> Token | None:
    return None if stored is None else orm_values.token_from_bytes(stored)
