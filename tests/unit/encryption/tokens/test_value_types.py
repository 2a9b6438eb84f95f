"""Test the value types: their codes and bytes, and what is not encrypted or not read."""

from __future__ import annotations

import decimal
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app_integration.encryption.tokens import value_codec
from app_integration.errors import DecryptionFailed, EncryptionError
from app_integration.secret import Secret

NOON = datetime(2026, 7, 1, 12, 30)  # noqa: DTZ001 - naive, which is the case
EAST = timezone(timedelta(hours=5, minutes=45, seconds=1))
TYPES = {
    "text": ("ü", 1, "ü".encode()),
    "bytes": (b"\x00\xff", 2, b"\x00\xff"),
    "integer": (-129, 3, b"\xff\x7f"),
    "boolean": (True, 4, b"\x01"),
    "uuid": (UUID(int=7), 5, bytes(15) + b"\x07"),
    "decimal": (Decimal("-0.10"), 6, b"-0.10"),
    "decimal with an exponent": (Decimal("1E+3"), 6, b"1E+3"),
    "date": (date(2026, 1, 31), 7, b"2026-01-31"),
    "naive datetime": (NOON, 8, b"2026-07-01T12:30:00"),
    "aware datetime": (NOON.replace(tzinfo=UTC), 8, b"2026-07-01T12:30:00+00:00"),
    "summer time": (
        NOON.replace(tzinfo=ZoneInfo("Europe/Berlin")),
        8,
        b"2026-07-01T12:30:00+02:00",
    ),
    "offset in seconds": (NOON.replace(tzinfo=EAST), 8, b"2026-07-01T12:30:00+05:45:01"),
    "microseconds": (NOON.replace(microsecond=1), 8, b"2026-07-01T12:30:00.000001"),
    "object": ({"a": 1}, 9, b'{"a":1}'),
    "array": ([1], 9, b"[1]"),
}


@pytest.mark.parametrize(("value", "code", "encoded"), TYPES.values(), ids=TYPES)
def test_a_value_has_its_code_and_bytes_and_comes_back(
    value: Any, code: int, encoded: bytes
) -> None:
    assert value_codec.encode(value) == (code, encoded)
    back = value_codec.decode(code, encoded)
    assert back == value
    assert type(back) is type(value)
    if isinstance(value, datetime):
        assert isinstance(back, datetime)
        assert back.utcoffset() == value.utcoffset()


def test_a_secret_is_encrypted_as_its_text() -> None:
    assert value_codec.encode(Secret("sand")) == (1, b"sand")


def test_a_decimal_is_encoded_alike_in_every_decimal_context() -> None:
    with decimal.localcontext() as context:
        context.capitals, context.prec = 0, 1
        assert value_codec.encode(Decimal("1E+3")) == (6, b"1E+3")
        assert value_codec.decode(6, b"12.34") == Decimal("12.34")


class Size(IntEnum):
    BIG = 1


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1.5, "float"),
        (None, "NoneType"),
        ((1,), "tuple"),
        ({"a"}, "set"),
        (bytearray(b"a"), "bytearray"),
        (object(), "object"),
        (Size.BIG, "Size"),
        (Colour.RED, "Colour"),
    ],
    ids=["float", "none", "tuple", "set", "bytearray", "object", "enum", "enum of text"],
)
def test_another_type_is_rejected_with_the_types_to_use(value: object, name: str) -> None:
    with pytest.raises(EncryptionError, match=rf"^a value of type {name} .*use.* str, .*int, bool"):
        value_codec.encode(value)


NOT_ENCODED = {
    "text": ("sand\ud800", "str"),
    "secret": (Secret("sand\ud800"), "Secret"),
    "nan": (Decimal("NaN"), "Decimal"),
    "infinity": (Decimal("-Infinity"), "Decimal"),
    "offset": (NOON.replace(tzinfo=timezone(timedelta(microseconds=1))), "datetime"),
    "tuple in JSON": (["sand", (1,)], "list"),
    "bytes in JSON": ({"sand": b"x"}, "dict"),
    "date in JSON": ({"sand": date(2026, 1, 31)}, "dict"),
}


@pytest.mark.parametrize(("value", "name"), NOT_ENCODED.values(), ids=NOT_ENCODED)
def test_value_that_cannot_be_decoded_again_is_rejected_with_advice(
    value: object, name: str
) -> None:
    remedy = "pass no lone surrogate, NaN or .*, and only JSON .* within its bounds"
    wanted = f"^this {name} .* not be decrypted to an equal value; {remedy}$"
    with pytest.raises(EncryptionError, match=wanted) as caught:
        value_codec.encode(value)
    assert "sand" not in str(caught.value)


def test_json_that_is_too_deep_for_python_is_rejected() -> None:
    deep: list[Any] = []
    for _ in range(50_000):
        deep = [deep]
    with pytest.raises(EncryptionError, match="list"):
        value_codec.encode(deep)
    with pytest.raises(DecryptionFailed):
        value_codec.decode(9, b"[" * 50_000)


def test_the_size_is_bounded() -> None:
    largest = bytes(value_codec.MAX_SIZE)
    assert value_codec.encode(largest) == (2, largest)
    with pytest.raises(EncryptionError, match=f"{2**20 + 1} bytes.*at most {2**20}"):
        value_codec.encode(largest + b"x")


REJECTED = {
    "code 0": (0, b"x"),
    "code 10": (10, b"x"),
    "code 255": (255, b"x"),
    "text": (1, b"\xff"),
    "integer": (3, b"\x00\x07"),
    "boolean": (4, b"\x02"),
    "uuid": (5, bytes(15)),
    "decimal comma": (6, b"1,5"),
    "decimal with a space": (6, b" 1"),
    "decimal with a small e": (6, b"1e+3"),
    "decimal with an underscore": (6, b"1_0"),
    "decimal nan": (6, b"NaN"),
    "decimal of other digits": (6, "\u0661".encode()),
    "decimal of other bytes": (6, b"\xff"),
    "date without hyphens": (7, b"20260131"),
    "date that is none": (7, b"2026-02-30"),
    "date of other digits": (7, "2026-01-3\u0661".encode()),
    "date of other bytes": (7, b"\xff"),
    "datetime without a time": (8, b"2026-01-31"),
    "datetime with a space": (8, b"2026-01-31 09:30:00"),
    "datetime with another separator": (8, "2026-01-31ü09:30:00".encode()),
    "datetime with a Z": (8, b"2026-01-31T09:30:00Z"),
    "datetime of other bytes": (8, b"\xff"),
    "JSON cut off": (9, b"{"),
    "JSON of a number": (9, b"1"),
}


@pytest.mark.parametrize(("code", "encoded"), REJECTED.values(), ids=REJECTED)
def test_bytes_that_no_value_has_are_rejected(code: int, encoded: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        value_codec.decode(code, encoded)
