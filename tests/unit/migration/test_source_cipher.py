"""Old tokens of rows: how they are decrypted, and how many requests that takes."""

from __future__ import annotations

from typing import Any, Final

import pytest

from app_integration.encryption.cipher import FieldCipher
from migration.rows.rows import Rows
from migration.rows.source_cipher import OldTokenInvalid, SourceCipher
from migration.table.migrated_table import MigratedColumn, MigratedTable
from tests.support.models.cipher_parts import World

TABLE: Final = MigratedTable(
    "public",
    "users",
    ("id",),
    (
        MigratedColumn("email", "email_2", ("id",), ("id",)),
        MigratedColumn("phone", "phone_token", ("id",)),
    ),
)
COUNT: Final = 40


def rows(tokens: list[Any]) -> Rows:
    ids = list(range(len(tokens)))
    columns = {"id": ids, "email": tokens, "phone": [f"0{at}" for at in ids]}
    return Rows([[str(at)] for at in ids], ["1"] * len(tokens), columns)


def write_tokens(cipher: FieldCipher) -> list[Any]:
    field = cipher.field("users.email", ("id",))
    return [field.encrypt(f"user{at}@example.com", at) for at in range(COUNT)]


def test_tokens_with_data_keys_of_their_own_take_few_requests() -> None:
    world = World()
    processes = [world.text_process().field("users.email", ("id",)) for _ in range(COUNT)]
    tokens = [each.encrypt(f"user{at}@example.com", at) for at, each in enumerate(processes)]
    stored = [str(each).encode() for each in tokens]
    world.service.requests.clear()
    field = world.text_process().field("users.email", ("id",))
    read = SourceCipher(TABLE, {"email": field}).decrypt(rows([*stored, None]))
    assert read.columns["email"] == [*(f"user{at}@example.com" for at in range(COUNT)), None]
    assert read.columns["phone"][:2] == ["00", "01"]
    assert world.service.requests == [("unwrap", COUNT)]


def test_token_of_another_row_is_named_without_its_value() -> None:
    world = World()
    one, *others = write_tokens(world.process())
    field = world.process().field("users.email", ("id",))
    with pytest.raises(
        OldTokenInvalid, match=r"public\.users, row 1, column email: its token"
    ) as caught:
        SourceCipher(TABLE, {"email": field}).decrypt(rows([one, one, *others[1:]]))
    assert "user0" not in str(caught.value)


def test_restored_columns_are_those_that_change() -> None:
    world = World()
    field = world.process().field("users.email", ("id",))
    cipher = SourceCipher(TABLE, {"email": field})
    values = rows(["ada@example.com", "eve@example.com"])
    email, phone = cipher.encrypt(values, {"email": [True, False], "phone": [False, True]})
    assert field.decrypt(email[0], 0) == "ada@example.com"
    assert (email[1], phone) == (None, [None, "01"])
