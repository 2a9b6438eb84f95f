"""Values of the columns that are migrated: plaintext as it is stored, or old tokens decrypted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.declared_field import DeclaredField
from app_integration.encryption.parsed_token import Token, parse_token_or_none
from app_integration.encryption.tokens import associated_data
from app_integration.errors import EncryptionError, StrongroomError
from app_integration.integrations import orm_values
from migration.rows.json_text import JsonNull
from migration.rows.rows import Rows
from migration.table.migrated_table import MigratedColumn, MigratedTable

_JSON_NULL: Final = (
    "the null of JSON cannot be encrypted; write the NULL of SQL, an object or a list in its place,"
    " and repeat the command"
)


class OldTokenInvalid(StrongroomError):
    """An old token does not decrypt as the plan says. Nothing of the batch was written."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Rows with the values of their old columns."""

    rows: Rows
    failed: Mapping[str, frozenset[int]]


class SourceCipher:
    """Reads and writes old columns as an application does that knows nothing of the migration."""

    def __init__(
        self,
        table: MigratedTable,
        fields: Mapping[str, DeclaredField] | None = None,
        indexes: Mapping[str, BlindIndex] | None = None,
    ) -> None:
        """Create a cipher. No request is sent.

        The context of each of *fields* has the names of the column's old context, in order, and
        then of its constants.
        """
        self._table = table
        self._fields = fields or {}
        self._indexes = indexes or {}

    def decrypt(self, rows: Rows) -> Rows:
        """Return *rows* with the values of old tokens in place of these."""
        sources = self.open(rows)
        for name, failed in sources.failed.items():
            for at in sorted(failed):
                row = self._table.describe_row(rows.keys[at])
                raise OldTokenInvalid(
                    f"{row}, column {name}: its token does not decrypt as the plan says that it is"
                    " encrypted; look for another field, type, context, key or table of data keys,"
                    " or write the row again by the application, and repeat the command"
                )
        return sources.rows

    def open(self, rows: Rows) -> Sources:
        """Return *rows* with the values of old tokens in their place, and what does not decrypt."""
        columns, failed = dict(rows.columns), dict[str, frozenset[int]]()
        for column, field, context in self._encrypted(rows):
            stored = rows.columns[column.old]
            tokens = stored if column.has_text else to_tokens(stored)
            _fetch_keys(field, tokens)
            opened = field.decrypt_many(tokens, *context)
            columns[column.old] = opened.results
            failed[column.old] = frozenset(opened.failed)
        return Sources(replace(rows, columns=columns), failed)

    def encrypt(self, values: Rows, changes: Mapping[str, Sequence[bool]]) -> list[list[Any]]:
        """Return what to write into each old column of the table, for each row of *values*.

        *changes* says by old column whether it is written; where it is not, the result is None.
        """
        chosen = {
            name: [
                value if is_written else None
                for value, is_written in zip(values.columns[name], each, strict=True)
            ]
            for name, each in changes.items()
        }
        written: dict[str, list[Any]] = dict(chosen)
        for column, field, context in self._encrypted(values):
            try:
                tokens = field.encrypt_many(chosen[column.old], *context)
            except EncryptionError:
                cells = self._table.name_cells(column, values.keys)
                raise_for_row(field, chosen[column.old], context, cells)
                raise
            written[column.old] = tokens if column.has_text else to_stored(tokens)
        for index in self._table.old_indexes:
            written[index.column] = self._indexes[index.column].values(chosen[index.of])
        return [written[name] for name in self._table.old_columns]

    def _encrypted(
        self, rows: Rows
    ) -> Iterator[tuple[MigratedColumn, DeclaredField, list[Sequence[Any]]]]:
        """Yield each column of old tokens with its field, and the values that bind its tokens."""
        for column in self._table.columns:
            if column.old_context is not None:
                context = [rows.columns[name] for name in column.old_context]
                context += ([value] * len(rows) for value in column.old_constants)
                yield column, self._fields[column.old], context


def raise_for_row(
    field: DeclaredField,
    values: Sequence[object],
    context: Sequence[Sequence[Any]],
    cells: Iterable[str],
) -> None:
    """Raise an error that names the first of *cells* whose value cannot be encrypted, if any."""
    for at, (value, cell) in enumerate(zip(values, cells, strict=True)):
        try:
            field.encrypt(value, *(each[at] for each in context))
        except EncryptionError as error:
            reason = _JSON_NULL if isinstance(value, JsonNull) else error
            raise EncryptionError(f"{cell}: {reason}") from None


def check_json_null(table: MigratedTable, column: MigratedColumn, rows: Rows) -> None:
    """Check that no old value of *rows* in *column* is the null of JSON, which no token has."""
    values, cells = rows.columns[column.old], table.name_cells(column, rows.keys)
    for value, cell in zip(values, cells, strict=True):
        if isinstance(value, JsonNull):
            raise EncryptionError(f"{cell}: {_JSON_NULL}")


def to_stored(tokens: Sequence[Token | None]) -> list[bytes | None]:
    """Return *tokens* as a column stores them."""
    return [each.encode("ascii") if isinstance(each, str) else each for each in tokens]


def to_tokens(stored: Sequence[bytes | None]) -> list[Token | None]:
    """Return the tokens that a column stores."""
    return orm_values.tokens_from_bytes(stored)


def _fetch_keys(field: DeclaredField, tokens: Sequence[Token | None]) -> None:
    """Unwrap the data keys that *tokens* carry, in few requests.

    After a rewrap each token carries a wrapped key of its own, and would send a request of its own.
    """
    texts = (token for token in tokens if isinstance(token, str))
    parsed = (parse_token_or_none(token, associated_data.NO_FIELD) for token in texts)
    field.cipher.keyring.read_keys(each.name for each in parsed if each is not None)
