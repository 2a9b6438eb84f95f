"""Columns: encrypted as row by row, in few requests, with nulls kept and failed rows named."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_integration.encryption import bulk
from app_integration.errors import BatchFailed, EncryptionError, InvalidContext
from app_integration.settings import Limits
from tests.support.models.cipher_parts import World

_ids = st.one_of(
    st.integers(0, 200),
    st.integers(-(2**70), 2**70),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.uuids(),
    st.booleans(),
    st.binary(max_size=3),
)
_rows = st.lists(
    st.tuples(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9), _ids, _ids)
)
WORLD = World()
CIPHERS = [WORLD.process(), WORLD.text_process()]


@settings(max_examples=150)
@given(_rows, st.sampled_from([0, 1, 2]), st.sampled_from(CIPHERS))
def test_column_equals_its_rows_encrypted_one_by_one(
    rows: list[Any], width: int, cipher: Any
) -> None:
    field = cipher.field("users.email", ["b", "a"][:width])
    items = [row[0] for row in rows]
    bound = [[row[1 + at] for row in rows] for at in range(width)]
    tokens = field.encrypt_many(items, *bound)
    kind = bytes if cipher.writes_keyring_tokens else str
    assert [type(token) for token in tokens] == [
        type(None) if item is None else kind for item in items
    ]
    by_row = [field.decrypt(*row) for row in zip(tokens, *bound, strict=True)]
    assert by_row == items == field.decrypt_many(tokens, *bound).values()
    written = [field.encrypt(*row) for row in zip(items, *bound, strict=True)]
    assert field.decrypt_many(written, *bound).values() == items


@pytest.mark.parametrize("start", [-40_000, -130, 0, 32_000, 2**31 - 100, 2**63 - 100, -(2**63)])
def test_column_of_integers_of_any_size_binds_like_single_rows(world: World, start: int) -> None:
    field = world.process().field("users.email", ["user_id"])
    ids = list(range(start, start + 9000))
    items = [f"user{number}@example.com" for number in ids]
    tokens = field.encrypt_many(items, ids)
    assert [field.decrypt(*row) for row in zip(tokens, ids, strict=True)] == items
    assert field.decrypt_many(tokens, ids).values() == items


def test_tokens_of_a_column_never_share_a_nonce(world: World) -> None:
    field = world.process().field("users.email")
    tokens: list[Any] = field.encrypt_many(["x"] * 10_000)
    assert len({token[5:17] for token in tokens}) == 10_000


def test_decrypt_many_names_failed_tokens_and_returns_the_rest(world: World) -> None:
    field = world.process().field("users.email", ["user_id"])
    ids = list(range(10_000))
    tokens: list[Any] = field.encrypt_many([f"{number}" for number in ids], ids)
    tokens[17], tokens[18], tokens[5000], tokens[5001] = tokens[18], tokens[17], b"", "no token"
    tokens[9000], tokens[9999] = None, tokens[9999][:-1]
    batch = field.decrypt_many(tokens, ids)
    assert batch.failed == (17, 18, 5000, 5001, 9999)
    assert batch.results == [
        None if at in (*batch.failed, 9000) else f"{at}" for at in range(10_000)
    ]
    with pytest.raises(BatchFailed, match="17, 18, 5000, 5001, 9999"):
        field.decrypt_column(tokens, ids)


def test_column_under_1000_data_keys_takes_one_lookup_and_one_batch(world: World) -> None:
    ids = list(range(20_000))
    tokens: list[Any] = [None] * len(ids)
    for number in range(1000):
        field = world.process().field("users.email", ["user_id"])
        mine = ids[number::1000]
        tokens[number::1000] = field.encrypt_many([f"{each}" for each in mine], mine)
    world.service.requests.clear()
    reader = world.process().field("users.email", ["user_id"])
    assert reader.decrypt_many(tokens, ids).values() == [f"{each}" for each in ids]
    assert world.service.requests == [("unwrap", 1000)]
    assert world.rows.lookups == 1


def test_decrypt_many_names_tokens_of_a_lost_data_key(world: World) -> None:
    one, other = (world.process().field("users.email") for _ in range(2))
    tokens: list[Any] = [*one.encrypt_many(["a"] * 3), *other.encrypt_many(["b"] * 3)]
    del world.rows.keys[int.from_bytes(tokens[0][1:5], "big")]
    batch = world.process().field("users.email").decrypt_many(tokens)
    assert batch.results == [None, None, None, "b", "b", "b"]
    assert batch.failed == (0, 1, 2)


def test_column_never_exceeds_the_limits_of_a_data_key(world: World) -> None:
    limits = dataclasses.replace(Limits(), data_key_messages=100, data_key_bytes=1600)
    field = world.process(limits=limits).field("users.email")
    tokens: list[Any] = [
        *field.encrypt_many(["x" * 16] * 1000),
        *field.encrypt_many(["x" * 100] * 30),
    ]
    used: dict[bytes, list[int]] = {}
    for token in tokens:
        used.setdefault(token[:5], []).append(len(token) - 33)
    assert max(map(len, used.values())) <= 100
    assert max(map(sum, used.values())) <= 1600
    assert field.decrypt_many(tokens).values() == ["x" * 16] * 1000 + ["x" * 100] * 30


@pytest.mark.parametrize("items", [["a", 7], ["a", "\ud800"], ["a", "x" * (2**20 + 1)]], ids=str)
def test_encrypt_many_names_an_item_that_cannot_be_encrypted(
    world: World, items: list[Any]
) -> None:
    with pytest.raises(EncryptionError, match="item 5001"):
        world.process().field("users.email").encrypt_many(["a"] * 5000 + items)
    assert len(str(items)) < 2**21


@pytest.mark.parametrize("bound", [None, 1.5, "\ud800"], ids=repr)
def test_encrypt_many_names_a_context_that_cannot_be_bound(world: World, bound: Any) -> None:
    field = world.process().field("users.email", ["user_id"])
    with pytest.raises(InvalidContext, match="item 1"):
        field.encrypt_many(["a", "b"], [1, bound])
    with pytest.raises(InvalidContext, match="user_id"):
        field.decrypt_many(field.encrypt_many(["a", "b"], [1, 2]), [1, bound])


@pytest.mark.parametrize("bound", [[], [[1]], [[1, 2], [1, 2]]], ids=str)
def test_context_columns_of_wrong_length_or_number_are_rejected(
    world: World, bound: list[Any]
) -> None:
    field = world.process().field("users.email", ["user_id"])
    for work in (field.encrypt_many, field.decrypt_many):
        with pytest.raises(EncryptionError, match="user_id"):
            work(["a", "b"], *bound)


def columns_of(items: list[Any]) -> dict[str, Any]:
    return {
        "list": items,
        "tuple": tuple(items),
        "numpy": np.array(items, dtype=object),
        "pandas": pd.Series(items, name="email", index=range(5, 5 + len(items))),
        "polars": pl.Series("email", items),
        "arrow": pa.array(items),
        "chunked": pa.chunked_array([items[:1], items[1:]]),
    }


@pytest.mark.parametrize("kind", list(columns_of(["a"])))
def test_column_is_returned_in_the_library_it_came_from(world: World, kind: str) -> None:
    field = world.process().field("users.email", ["user_id"])
    items = ["ada", None, "bob", "Größe"]
    column = columns_of(items)[kind]
    tokens: Any = field.encrypt_column(column, np.arange(4))
    plain: Any = field.decrypt_column(tokens, pl.Series([0, 1, 2, 3]))
    arrow = kind in ("arrow", "chunked")
    if kind != "tuple":
        assert isinstance(plain, pa.Array if arrow else type(column))
    back = plain.to_pylist() if arrow else list(plain)
    assert [None if item is None or item != item else item for item in back] == items  # noqa: PLR0124 - NaN
    raw = tokens.to_pylist() if arrow else list(tokens)
    assert [type(token) for token in raw if isinstance(token, bytes)] == [bytes] * 3
    if kind == "pandas":
        assert list(plain.index) == [5, 6, 7, 8]
        assert plain.name == tokens.name == "email"
        assert tokens.isna().tolist() == [False, True, False, False]
    if kind == "polars":
        assert tokens.null_count() == 1
    if arrow:
        assert tokens.null_count == 1


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        (int, [1, None, 2**40]),
        (bool, [True, None, False]),
        (date, [date(2026, 1, 31), None]),
        (Decimal, [Decimal("1.10"), None]),
        (bytes, [b"\x00", None]),
    ],
)
def test_column_of_any_declared_type_is_decrypted(
    world: World, kind: type, items: list[Any]
) -> None:
    field = world.process().field("users.thing", [], kind)
    for column in (pd.Series(items, dtype=object), pl.Series(items), pa.array(items)):
        plain = field.decrypt_column(field.encrypt_column(column))
        back = plain.to_pylist() if isinstance(plain, pa.Array) else plain.to_list()
        assert back == items


def test_value_that_is_not_a_column_is_rejected(world: World) -> None:
    field = world.process().field("users.email")
    for column in ("text", {"a": 1}, np.array([["a"]], dtype=object), 7):
        with pytest.raises(EncryptionError):
            field.encrypt_column(column)


def test_column_bound_to_uuids_is_decrypted(world: World) -> None:
    field = world.process().field("users.email", ["tenant", "row"])
    rows = [UUID(int=number) for number in range(bulk.ROWS + 10)]
    tenants = ["acme"] * len(rows)
    tokens = field.encrypt_many(["x"] * len(rows), tenants, rows)
    assert field.decrypt_many(tokens, tenants, rows).values() == ["x"] * len(rows)
    assert field.decrypt(tokens[3], "acme", rows[3]) == "x"
