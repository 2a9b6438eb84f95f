"""Ways in which the columns of guests are migrated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, LiteralString

from psycopg import Connection

from migration.table.migrated_table import DecryptedColumn, MigratedColumn
from tests.support.migrations.guests import GuestKeys, Key
from tests.support.migrations.reencrypted_guests import ReencryptedGuestKeys

_COLUMNS: Final[LiteralString] = """
    ALTER TABLE guests DROP email_token, DROP born_token, DROP email_index,
        ADD plain_email varchar(80), ADD plain_born date, ADD email_hash bytea, ADD born_hash bytea
"""


def _decrypted(column: MigratedColumn, type_: LiteralString) -> MigratedColumn:
    decrypted = DecryptedColumn(type_, f"{column.old}_hash")
    return replace(column, new=f"plain_{column.old}", decrypted=decrypted)


class DecryptedGuestKeys(ReencryptedGuestKeys):
    """Keys of one process, with those of the tokens."""

    table = replace(
        ReencryptedGuestKeys.table,
        columns=tuple(
            _decrypted(each, type_)
            for each, type_ in zip(
                ReencryptedGuestKeys.table.columns, ("varchar(80)", "date"), strict=True
            )
        ),
        indexes=(),
        new_values="plaintext",
        new_value="plaintext",
    )

    def added(self, email: str, key: Key) -> dict[str, Any]:
        assert key
        return {"plain_email": email}

    def opened_new(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        return {name: list(columns[f"plain_{name}"]) for name in self.table.migrated}

    def encrypt_old(self, connection: Connection) -> None:
        connection.execute(_COLUMNS)
        super().encrypt_old(connection)


#: Keys of guests by how their columns are migrated.
KINDS: Final[Mapping[str, type[GuestKeys]]] = {
    "plaintext": GuestKeys,
    "tokens": ReencryptedGuestKeys,
    "decrypted": DecryptedGuestKeys,
}
