"""Encoding of values: each is decoded as its own type, or is not encrypted at all."""

from __future__ import annotations

import decimal
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration.encryption.tokens import value_codec
from app_integration.errors import DecryptionFailed, EncryptionError
from app_integration.secret import Secret

texts = st.text(st.characters(codec="utf-8"))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | texts
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
#: Offsets in whole seconds, because one with a fraction of a second is rejected.
offsets = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
anything = st.one_of(
    texts,
    st.binary(),
    st.integers(),
    st.integers(-(2**80), 2**80),
    st.booleans(),
    st.uuids(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=offsets),
    st.lists(json_values, max_size=3),
    st.dictionaries(texts, json_values, max_size=3),
)


@given(anything)
def test_value_is_decoded_equal_and_of_its_own_type(value: Any) -> None:
    back = value_codec.decode(*value_codec.encode(value))
    assert back == value
    assert type(back) is type(value)


@given(anything, anything)
def test_encodings_of_different_values_differ(one: Any, other: Any) -> None:
    if value_codec.encode(one) == value_codec.encode(other):
        assert one == other
        assert type(one) is type(other)


def test_decimal_keeps_its_digits_and_exponent() -> None:
    for text in ("0.10", "-0", "1E+3", "0E-9", "123456789012345678901234567890.1"):
        assert str(value_codec.decode(*value_codec.encode(Decimal(text)))) == text


def test_decimal_encoding_ignores_the_decimal_context() -> None:
    usual = value_codec.encode(Decimal("1E+3"))
    with decimal.localcontext() as context:
        context.capitals = 0
        context.prec = 1
        assert value_codec.encode(Decimal("1E+3")) == usual
        assert value_codec.decode(*value_codec.encode(Decimal("12.34"))) == Decimal("12.34")


def test_secret_is_encoded_as_its_text() -> None:
    assert value_codec.encode(Secret("hunter2")) == value_codec.encode("hunter2")


def test_aware_datetime_keeps_its_instant_and_offset() -> None:
    summer = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    back = value_codec.decode(*value_codec.encode(summer))
    assert isinstance(back, datetime)
    assert back == summer
    assert back.utcoffset() == timedelta(hours=2)
    assert value_codec.decode(*value_codec.encode(summer.astimezone(UTC))) == summer


def test_json_keeps_the_order_of_its_keys() -> None:
    back = value_codec.decode(*value_codec.encode({"b": 1, "a": 2}))
    assert isinstance(back, dict)
    assert list(back) == ["b", "a"]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


class Colour(StrEnum):
    RED = "hunter2"


class Size(IntEnum):
    BIG = 1


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        object(),
        (1, 2),
        {"hunter2"},
        bytearray(b"hunter2"),
        Colour.RED,
        Size.BIG,
        "hunter2\ud800",
        Secret("hunter2\ud800"),
        Decimal("NaN"),
        Decimal("Infinity"),
        {1: "hunter2"},
        {"a": (1, "hunter2")},
        {"a": float("nan")},
        ["hunter2\ud800"],
        [b"hunter2"],
        [date(2026, 1, 31)],
        nested(100_000),
        "x" * (value_codec.MAX_SIZE + 1),
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_value_that_cannot_be_decoded_again_is_rejected_and_not_shown(value: object) -> None:
    with pytest.raises(EncryptionError) as caught:
        value_codec.encode(value)
    assert "hunter2" not in str(caught.value)


def test_largest_value_is_encoded() -> None:
    assert len(value_codec.encode(b"x" * value_codec.MAX_SIZE)[1]) == value_codec.MAX_SIZE


@pytest.mark.parametrize(
    ("code", "encoded"),
    [
        (0, b""),
        (10, b""),
        (255, b"x"),
        (1, b"\xff"),
        (3, b""),
        (3, b"\x00\x07"),
        (3, b"\xff\xff"),
        (4, b""),
        (4, b"\x02"),
        (4, b"\x00\x00"),
        (5, bytes(15)),
        (6, b"1,5"),
        (6, b" 1"),
        (6, b"1_0"),
        (6, b"NaN"),
        (6, "\u0661".encode()),
        (7, b"20260131"),
        (7, b"2026-02-30"),
        (8, b"2026-01-31"),
        (8, b"2026-01-31T09:30:00Z"),
        (9, b"{"),
        (9, b"1"),
        (9, b"[NaN]"),
        (9, b"\xff\xfe[\x00]\x00"),
        (9, b"[" * 100_000),
    ],
)
def test_invalid_encoding_is_rejected(code: int, encoded: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        value_codec.decode(code, encoded)


def test_uuid_is_encoded_in_printed_order() -> None:
    row = UUID("00112233-4455-6677-8899-aabbccddeeff")
    assert value_codec.encode(row)[1].hex() == "00112233445566778899aabbccddeeff"
