"""Guests whose columns have tokens already, which are encrypted in another way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final, LiteralString

from psycopg import Connection

from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.cipher import FieldCipher
from migration.rows.source_cipher import SourceCipher
from migration.table.migrated_table import IndexedColumn
from tests.support.migrations.guests import GUESTS, GuestKeys, Key, original

_TYPES: Final[LiteralString] = """
    ALTER TABLE guests ALTER email TYPE bytea USING NULL, ALTER born TYPE bytea USING NULL,
        ADD email_lookup bytea
"""
_FILL: Final[LiteralString] = """
    UPDATE guests SET email = %s, email_lookup = %s, born = %s WHERE (id, branch) = (%s, %s)
"""


class ReencryptedGuestKeys(GuestKeys):
    """Keys of one process, with those of the old tokens."""

    table = replace(
        GUESTS,
        columns=tuple(replace(each, old_context=("id",)) for each in GUESTS.columns),
        old_indexes=(IndexedColumn("email_lookup", "email"),),
        old_values="old tokens",
    )

    def __init__(self, cipher: FieldCipher, indexes: BlindIndexes) -> None:
        self._old = {
            "email": cipher.field("guests.email.old", ("id",)),
            "born": cipher.field("guests.born.old", ("id",), date),
        }
        self._lookup = indexes.index("guests.email.old", rows=100_000)
        self._lookup.create()
        super().__init__(cipher, indexes)

    def sources(self) -> SourceCipher:
        return SourceCipher(self.table, self._old, {"email_lookup": self._lookup})

    def written(self, email: str | None, key: Key) -> dict[str, Any]:
        token = self._old["email"].encrypt(email, key[0])
        return {"email": token, "email_lookup": self._lookup.value(email)}

    def opened(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        found = {
            name: field.decrypt_many(columns[name], columns["id"]).values()
            for name, field in self._old.items()
        }
        assert list(map(self._lookup.value, found["email"])) == list(columns["email_lookup"])
        return found

    def encrypt_old(self, connection: Connection) -> None:
        connection.execute(_TYPES)
        keys = connection.execute("SELECT id, branch FROM guests").fetchall()
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(_FILL, [self._row(number, branch) for number, branch in keys])

    def _row(self, number: int, branch: str) -> tuple[Any, ...]:
        email, born = original(number)
        written = self.written(email, (number, branch))
        token = self._old["born"].encrypt(born, number)
        return written["email"], written["email_lookup"], token, number, branch
