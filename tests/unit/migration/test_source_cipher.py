"""Old tokens of rows: how they are decrypted, and how many requests that takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.declared_field import DeclaredField
from app_integration.encryption.tokens.associated_data import Binding
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


def undeclared(cipher: FieldCipher, names: list[str]) -> DeclaredField:
    """Return the field of tokens that ``encrypt_field`` returns without a field's id."""
    return DeclaredField(cipher, Binding(None, names), str)


@pytest.mark.parametrize("has_text", [True, False])
@pytest.mark.parametrize("has_constants", [True, False])
@pytest.mark.parametrize("context", [(), ("id",)])
def test_tokens_without_field_are_read_and_written_as_an_application_does(
    context: tuple[str, ...], *, has_constants: bool, has_text: bool
) -> None:
    cipher = World().text_process() if has_text else World().process()
    constants: dict[str, Any] = {"use": "email", "version": 2} if has_constants else {}
    column = MigratedColumn(
        "email", "email_2", ("id",), context, tuple(constants.values()), has_text=has_text
    )
    field = undeclared(cipher, [*(f"user_{name}" for name in context), *constants])
    sources = SourceCipher(replace(TABLE, columns=(column,)), {"email": field})

    def bound(at: int) -> dict[str, Any] | None:
        return {**{f"user_{name}": at for name in context}, **constants} or None

    emails = [f"user{at}@example.com" for at in range(COUNT)]
    tokens = [cipher.encrypt_field(email, bound(at)) for at, email in enumerate(emails)]
    opened = sources.decrypt(rows([*tokens, None]))
    assert opened.columns["email"] == [*emails, None]
    (restored,) = sources.encrypt(opened, {"email": [True] * COUNT + [False]})
    assert restored.pop() is None
    assert {type(token) for token in restored} == {str if has_text else bytes}
    assert [cipher.decrypt_field(each, bound(at)) for at, each in enumerate(restored)] == emails


@pytest.mark.parametrize("wrong", ["", "ada@example.com", "tökén", "sr3.", 7, b"sr3."])
def test_text_that_is_no_token_is_named(wrong: Any) -> None:
    column = MigratedColumn("email", "email_2", ("id",), (), (), has_text=True)
    cipher = World().text_process()
    sources = SourceCipher(replace(TABLE, columns=(column,)), {"email": undeclared(cipher, [])})
    token = cipher.encrypt_field("ada@example.com")
    assert sources.decrypt(rows([token])).columns["email"] == ["ada@example.com"]
    with pytest.raises(OldTokenInvalid, match=r"row 1, column email: its token does not decrypt"):
        sources.decrypt(rows([token, wrong]))


def test_token_without_field_of_another_type_is_named() -> None:
    column = MigratedColumn("email", "email_2", ("id",), ("id",))
    cipher = World().process()
    sources = SourceCipher(replace(TABLE, columns=(column,)), {"email": undeclared(cipher, ["id"])})
    with pytest.raises(OldTokenInvalid, match=r"look for another field, type, context"):
        sources.decrypt(rows([cipher.encrypt_field(7, {"id": 0})]))
