"""Keyring tokens and declared fields: 33 bytes of overhead, bound to field, context and scope."""

from __future__ import annotations

import asyncio
import itertools
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.core import FIELD_TYPES
from app_integration.encryption.tokens import associated_data, keyring_token
from app_integration.errors import (
    ConfigurationError,
    DecryptionFailed,
    EncryptionError,
    InvalidContext,
    InvalidName,
    KeyUnavailable,
)
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits, Settings
from tests.support.models.cipher_parts import STORE, World, forgeries
from tests.support.processes import nonces

VALUES: list[Any] = [
    "gaara@example.com",
    "",
    "Größe 砂 🏜",
    b"\x00\xff",
    7,
    -(2**70),
    True,
    False,
    Decimal("1.10"),
    date(2026, 1, 31),
    datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    UUID(int=7),
    {"street": "Dune 1", "floors": [1, 2.5, None]},
    [],
]
BOUND: list[Any] = [7, 0, -1, 2**62, 2**64, -(2**64), "7", "", "ü", b"7", True, UUID(int=7)]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_declared_field_returns_its_type_on_fast_and_slow_path(world: World, value: Any) -> None:
    for cipher in (world.process(), world.text_process()):
        field = cipher.field("users.thing", ["user_id"], type(value))
        tokens = [field.encrypt(value, 7) for _ in range(3)]
        for token in tokens:
            assert field.decrypt(token, 7) == value
            assert type(field.decrypt(token, 7)) is type(value)
            assert cipher.decrypt_field(token, {"user_id": 7}, field="users.thing") == value


@pytest.mark.parametrize("bound", BOUND, ids=repr)
def test_declared_field_binds_like_encrypt_field(world: World, bound: Any) -> None:
    cipher = world.process()
    for names in (["user_id"], ["user_id", "b"], []):
        context = dict.fromkeys(names, bound)
        field = cipher.field("users.email", names)
        for _ in range(3):
            token = field.encrypt("x", *context.values())
            assert field.decrypt(token, *context.values()) == "x"
            assert cipher.decrypt_field(token, context or None, field="users.email") == "x"
            mine = cipher.encrypt_field("x", context or None, field="users.email")
            assert field.decrypt(mine, *context.values()) == "x"


def test_cipher_with_a_store_decrypts_both_kinds_of_token(world: World) -> None:
    compact, text = world.process(), world.text_process()
    mine, theirs = compact.encrypt_field("x", {"a": 1}), text.encrypt_field("x", {"a": 1})
    assert (type(mine), type(theirs)) == (bytes, str)
    assert compact.decrypt_field(theirs, {"a": 1}) == "x"
    assert compact.decrypt_field(memoryview(mine), {"a": 1}) == "x"  # type: ignore[arg-type] # as a driver gives it
    with pytest.raises(ConfigurationError, match="use_data_keys"):
        text.decrypt_field(mine, {"a": 1})


def test_none_is_returned_as_none_without_a_request(world: World) -> None:
    field = world.process().field("users.email", ["user_id"])
    assert field.encrypt(None, 7) is None
    assert field.decrypt(None, 7) is None
    assert world.service.requests == []


def test_forged_keyring_token_is_rejected(world: World) -> None:
    """Try each forgery on the slow path, on the fast path with a cached key, and in a column."""
    field = world.process().field("users.email", ["user_id"])
    token = field.encrypt("sand", 7)
    assert isinstance(token, bytes)
    assert field.decrypt(token, 7) == "sand"
    tried = list(forgeries(token))
    assert len(tried) > 900
    for forgery in tried:
        for way in (field.decrypt, field.decrypt_on_slow_path):
            with pytest.raises(DecryptionFailed):
                way(forgery, 7)
    batch = field.decrypt_many([token, *tried], [7] * (len(tried) + 1))
    assert batch.results == ["sand", *[None] * len(tried)]
    assert batch.failed == tuple(range(1, len(tried) + 1))


def test_mixture_of_two_keyring_tokens_is_rejected(world: World) -> None:
    """Try all 30 mixtures of the parts of two tokens under different data keys."""
    one, other = world.process(), world.process()
    cuts = [0, 1, 5, 17, -16, None]
    tokens = [one.encrypt_field("sand"), other.encrypt_field(b"dune")]
    mine, theirs = ([t[a:b] for a, b in itertools.pairwise(cuts)] for t in tokens if t is not None)
    opened = []
    for choice in range(32):
        mixture = [(mine, theirs)[choice >> at & 1][at] for at in range(5)]
        try:
            opened.append(one.decrypt_field(b"".join(map(bytes, mixture))))  # type: ignore[arg-type]
        except DecryptionFailed:
            continue
    assert opened == ["sand", b"dune"]


@pytest.mark.parametrize(
    "place",
    [
        {"field": "users.phone"},
        {"field": None},
        {"context": {"user_id": 8}},
        {"context": {"user_id": "7"}},
        {"context": {"row": 7}},
        {"context": None},
        {"scope": Scope("gaara-store", Environment.PROD)},
        {"scope": Scope("gaara", Environment.DEV)},
        {"key_name": "other"},
    ],
    ids=str,
)
def test_moved_token_is_rejected(world: World, place: dict[str, Any]) -> None:
    """Move a token to another field, context, environment, service or key, in both formats."""
    where = {"context": {"user_id": 7}, "field": "users.email", **place}
    scope, key_name = where.pop("scope", STORE), where.pop("key_name", "pii")
    for writer in (world.process(), world.text_process()):
        token = writer.encrypt_field("sand", {"user_id": 7}, field="users.email")
        assert writer.decrypt_field(token, {"user_id": 7}, field="users.email") == "sand"
        with pytest.raises(DecryptionFailed):
            world.process(scope, key_name).decrypt_field(token, **where)


def test_declared_field_rejects_tokens_of_another_type(world: World) -> None:
    cipher = world.process()
    number = cipher.field("users.thing", ["user_id"], int)
    text = cipher.field("users.thing", ["user_id"])
    token = number.encrypt(7, 1)
    for _ in range(2):
        with pytest.raises(DecryptionFailed):
            text.decrypt(token, 1)
        assert text.decrypt(text.encrypt("7", 1), 1) == "7"


@pytest.mark.parametrize(
    "value",
    [7, b"x", 1.5, object(), "\ud800", ["x"]],
    ids=["int", "bytes", "float", "object", "surrogate", "list"],
)
def test_value_of_another_type_is_rejected_and_not_shown(world: World, value: Any) -> None:
    field = world.process().field("users.email", ["user_id"])
    for _ in range(3):
        with pytest.raises(EncryptionError) as caught:
            field.encrypt(value, 7)
        assert "object at" not in str(caught.value)
        field.encrypt("x", 7)
    assert field.decrypt(field.encrypt(Secret("hunter2"), 7), 7) == "hunter2"


@pytest.mark.parametrize(
    "bound", [None, 1.5, "\ud800", "x" * 1025, 2**8192, [7]], ids=lambda v: str(v)[:9]
)
def test_context_that_cannot_be_bound_is_rejected(world: World, bound: Any) -> None:
    field = world.process().field("users.email", ["user_id"])
    for _ in range(3):
        with pytest.raises(InvalidContext, match="user_id"):
            field.encrypt("x", bound)
        token = field.encrypt("x", 7)
        with pytest.raises(InvalidContext, match="user_id"):
            field.decrypt(token, bound)


def test_invalid_field_id_or_context_names_are_rejected(world: World) -> None:
    with pytest.raises(InvalidName):
        world.process().field("a b")
    with pytest.raises(InvalidName):
        world.process().encrypt_field("x", field="a b")
    with pytest.raises(InvalidContext):
        world.process().field("users.email", ["a", "a"])


def test_field_of_an_unknown_type_is_rejected(world: World) -> None:
    with pytest.raises(EncryptionError, match="float"):
        world.process().field("users.email", [], float)
    assert set(FIELD_TYPES) >= {type(value) for value in VALUES}


def test_taken_key_number_is_not_used_again(world: World) -> None:
    numbers = iter([b"\0\0\0\0", b"\0\0\0\7", b"\0\0\0\7", b"\0\0\0\7", b"\0\0\0\x08"])

    def random(size: int) -> bytes:
        return next(numbers) if size == 4 else os.urandom(size)

    tokens = [world.process(random=random).encrypt_field("x") for _ in range(2)]
    assert [keyring_token.parse(bytes(token)).number for token in tokens] == [7, 8]  # type: ignore[arg-type]
    with pytest.raises(KeyUnavailable, match="number"):
        world.process(random=lambda size: (b"\0" * 3 + b"\7") * (size // 4)).encrypt_field("x")


def test_exchanged_row_decrypts_nothing(world: World) -> None:
    """Put another key's wrapped bytes or commitment into the row of a key."""
    one, other = world.process(), world.process()
    tokens = [one.encrypt_field("sand"), other.encrypt_field("dune")]
    first, second = world.rows.keys.values()
    for wrapped, commitment in (
        (second.wrapped, first.commitment),
        (second.wrapped, second.commitment),
        (first.wrapped, second.commitment),
        (first.wrapped[:-1], first.commitment),
        (b"", first.commitment),
    ):
        world.rows.keys[first.number] = replace(first, wrapped=wrapped, commitment=commitment)
        reader = world.process()
        with pytest.raises(DecryptionFailed):
            reader.decrypt_field(tokens[0])
        assert reader.decrypt_field(tokens[1]) == "dune"


def test_async_methods_send_a_request_only_if_needed(world: World) -> None:
    async def run(cipher: FieldCipher) -> list[Any]:
        field = cipher.field("users.email", ["user_id"])
        token = await field.aencrypt("x", 7)
        again = await cipher.aencrypt_field("y", {"a": 1})
        other = world.process()
        tokens = await field.aencrypt_many(["a", None], [1, 2])
        return [
            await field.adecrypt(token, 7),
            await other.adecrypt_field(again, {"a": 1}),
            await other.adecrypt_field(again, {"a": 1}),
            (await field.adecrypt_many(tokens, [1, 2])).values(),
            await other.adecrypt_field(None),
        ]

    for cipher in (world.process(), world.text_process()):
        world.service.requests.clear()
        assert asyncio.run(run(cipher)) == ["x", "y", "y", ["a", None], None]
        assert [operation for operation, _ in world.service.requests] == ["wrap", "unwrap"]


def test_client_uses_the_configured_keyring(tmp_path: Path) -> None:
    """Configure the store by a variable or by a call; earlier tokens are still decrypted."""
    world = World()
    at = Settings(STORE, "http://127.0.0.1:1", limits=Limits())
    for settings_of, store, kind in (
        (at, None, str),
        (replace(at, data_keys=str(tmp_path / "keys.json")), None, bytes),
        (at, world.rows, bytes),
    ):
        client = Client(settings_of, session=Session(at.vault_addr, StaticToken(Secret("none"))))
        if store is not None:
            client.use_data_keys(store)
        cipher = client.cipher("pii")
        cipher.keyring.service = world.service
        token = cipher.encrypt_field("sand", {"user_id": 7})
        assert type(token) is kind
        assert cipher.decrypt_field(token, {"user_id": 7}) == "sand"
        assert cipher.decrypt_field(world.text_process().encrypt_field("x")) == "x"
        client.close()
    assert (tmp_path / "keys.json").exists()


def test_forked_processes_never_repeat_a_nonce() -> None:
    found = nonces.token_prefixes(250_000)
    assert len(found) == 250_000
    assert nonces.count_repeated(found) == 0
    assert len({token[:5] for token in found.tolist()}) == nonces.PROCESSES


_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)
_scalars = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    st.binary(max_size=3),
    st.integers(-300, 300),
    st.booleans(),
    st.uuids(),
)
_field_contexts = st.tuples(
    st.none() | st.from_regex(r"[a-z0-9][a-z0-9.]{0,3}", fullmatch=True),
    st.none() | st.dictionaries(_names, _scalars, min_size=1, max_size=3),
)


def _typed(place: tuple[str | None, dict[str, Any] | None]) -> Any:
    """Return *place* in a form in which 1, True and "1" differ, and the order does not count."""
    field, context = place
    return field, context and {name: (type(value), value) for name, value in context.items()}


@settings(max_examples=500)
@given(_field_contexts, _field_contexts)
def test_bindings_are_equal_only_for_the_same_field_and_context(one: Any, other: Any) -> None:
    alike = _typed(one) == _typed(other)
    assert (associated_data.encode(*one) == associated_data.encode(*other)) is alike


@settings(max_examples=500)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(b"\x01".__add__))
def test_random_bytes_are_rejected_as_a_token(raw: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        _FUZZED.decrypt_field(raw, {"user_id": 7})


_FUZZED = World().process()
_FUZZED.encrypt_field("x")
