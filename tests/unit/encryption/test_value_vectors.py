"""Vectors of value types, against the library and against a second reader.

``READERS`` below were written from ``docs/encryption-format.md`` alone. They share no code with the
library, and use nothing of the standard library but conversions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_integration.encryption.tokens import json_codec, value_codec
from app_integration.errors import DecryptionFailed, EncryptionError

VALUES: Final = json.loads(
    (Path(__file__).parents[2] / "vectors" / "values.json").read_text("utf-8")
)
CODES: Final = {"int": 3, "bool": 4, "decimal": 6, "date": 7, "datetime": 8, "json": 9}
TEXTS: Final[dict[str, Callable[[str], Any]]] = {
    "int": int,
    "decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "json": json.loads,
}


def plaintext(case: dict[str, str]) -> bytes:
    return bytes.fromhex(case["plaintext"])


def name(case: dict[str, str]) -> str:
    return f"{case['type']}: {case.get('why') or case['text'][:40]}"


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, of one type and of one representation.

    1.0 is not the same as 1, nor 0.0 as -0.0.
    """
    return type(one) is type(other) and one == other and repr(one) == repr(other)


@pytest.mark.parametrize("case", VALUES["read"], ids=name)
def test_library_decodes_the_vector(case: dict[str, str]) -> None:
    expected = TEXTS[case["type"]](case["text"])
    assert same(value_codec.decode(CODES[case["type"]], plaintext(case)), expected)


@pytest.mark.parametrize("case", [c for c in VALUES["read"] if c["type"] != "json"], ids=name)
def test_library_encodes_the_vector(case: dict[str, str]) -> None:
    value = TEXTS[case["type"]](case["text"])
    assert value_codec.encode(value) == (CODES[case["type"]], plaintext(case))


@pytest.mark.parametrize("case", VALUES["refused"], ids=name)
def test_library_rejects_the_invalid_vector(case: dict[str, str]) -> None:
    with pytest.raises(DecryptionFailed):
        value_codec.decode(CODES[case["type"]], plaintext(case))


# The second reader.


class Unreadable(Exception):
    """Only error of the second reader."""


def integer(encoded: bytes) -> int:
    longer = len(encoded) > 1 and (
        (encoded[0] == 0 and encoded[1] < 0x80) or (encoded[0] == 0xFF and encoded[1] >= 0x80)
    )
    if not encoded or longer:
        raise Unreadable
    return int.from_bytes(encoded, "big", signed=True)


def boolean(encoded: bytes) -> bool:
    if encoded not in {b"\x00", b"\x01"}:
        raise Unreadable
    return encoded == b"\x01"


def decimal(encoded: bytes) -> Decimal:
    plain = re.fullmatch(rb"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?", encoded)
    if plain:
        minus, whole, fraction = plain.groups(b"")
        coefficient, exponent = (whole + fraction).lstrip(b"0") or b"0", -len(fraction)
        if exponent + len(coefficient) - 1 < -6:
            raise Unreadable
    else:
        scientific = re.fullmatch(rb"(-?)([0-9])(?:\.([0-9]+))?E([+-](?:0|[1-9][0-9]*))", encoded)
        if scientific is None:
            raise Unreadable
        minus, first, more, adjusted = scientific.groups(b"")
        coefficient, exponent = first + more, int(adjusted) - len(more)
        needed = exponent > 0 or int(adjusted) < -6
        if not needed or (first == b"0" and more):
            raise Unreadable
    digits = tuple(each - ord("0") for each in coefficient)
    return Decimal((1 if minus else 0, digits, exponent))


def iso_date(encoded: bytes) -> date:
    found = re.fullmatch(rb"(\d{4})-(\d\d)-(\d\d)", encoded)
    if found is None:
        raise Unreadable
    return date(*map(int, found.groups()))


def iso_datetime(encoded: bytes) -> datetime:
    found = re.fullmatch(
        rb"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{6}))?"
        rb"(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?",
        encoded,
    )
    if found is None or found[7] == b"000000" or found[11] == b"00":
        raise Unreadable
    zone = None
    if found[8]:
        hours, minutes, seconds = (int(found[group] or 0) for group in (9, 10, 11))
        offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        if max(minutes, seconds) > 59 or (found[8] == b"-" and not offset):
            raise Unreadable
        zone = timezone(-offset if found[8] == b"-" else offset)
    return datetime(*(int(found[group] or 0) for group in range(1, 8)), tzinfo=zone)  # type: ignore[misc,arg-type] # seven of them


def json_document(encoded: bytes) -> Any:
    text = encoded.decode()
    if text.startswith("\ufeff"):
        raise Unreadable

    def unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [key for key, _ in pairs]
        if len(set(names)) < len(names):
            raise Unreadable
        return dict(pairs)

    def parse_integer(digits: str) -> int:
        if len(digits.removeprefix("-")) > 4300:
            raise Unreadable
        return int(digits)

    def reject_constant(_name: str) -> None:
        raise Unreadable

    found = json.loads(
        text,
        object_pairs_hook=unique_members,
        parse_int=parse_integer,
        parse_constant=reject_constant,
    )
    if not isinstance(found, dict | list):
        raise Unreadable
    check(found, 1)
    return found


def check(found: Any, level: int) -> None:
    if isinstance(found, str) and any("\ud800" <= each <= "\udfff" for each in found):
        raise Unreadable
    if isinstance(found, float) and found in {float("inf"), float("-inf")}:
        raise Unreadable
    if isinstance(found, dict | list):
        if level > 128:
            raise Unreadable
        for each in [*found, *found.values()] if isinstance(found, dict) else found:
            check(each, level + 1)


READERS: Final[dict[str, Callable[[bytes], Any]]] = {
    "int": integer,
    "bool": boolean,
    "decimal": decimal,
    "date": iso_date,
    "datetime": iso_datetime,
    "json": json_document,
}


def read(kind: str, encoded: bytes) -> Any:
    try:
        return READERS[kind](encoded)
    except ValueError:
        raise Unreadable from None


@pytest.mark.parametrize("case", VALUES["read"], ids=name)
def test_second_reader_decodes_the_vector(case: dict[str, str]) -> None:
    assert same(read(case["type"], plaintext(case)), TEXTS[case["type"]](case["text"]))


@pytest.mark.parametrize("case", VALUES["refused"], ids=name)
def test_second_reader_rejects_the_invalid_vector(case: dict[str, str]) -> None:
    with pytest.raises(Unreadable):
        read(case["type"], plaintext(case))


@pytest.mark.parametrize("kind", ["decimal", "datetime", "date"])
@given(data=st.data())
def test_second_reader_decodes_what_the_library_encodes(kind: str, data: st.DataObject) -> None:
    offsets = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
    values: dict[str, st.SearchStrategy[Any]] = {
        "decimal": st.decimals(allow_nan=False, allow_infinity=False),
        "datetime": st.datetimes(timezones=st.none() | offsets),
        "date": st.dates(),
    }
    value = data.draw(values[kind])
    if isinstance(value, datetime):
        value = value.replace(fold=0)  # because fold is not part of a token
    assert same(read(kind, value_codec.encode(value)[1]), value)


def result_or_none(act: Callable[[], Any]) -> Any:
    """Return the result of *act*, or None if it rejects its input."""
    try:
        return act()
    except (Unreadable, DecryptionFailed):
        return None


@pytest.mark.parametrize("kind", ["decimal", "datetime", "date", "json"])
@given(text=st.text(alphabet='-+0123456789.E:T []{}",e\\ud8', max_size=24))
def test_both_readers_agree_on_any_text(kind: str, text: str) -> None:
    one = result_or_none(lambda: read(kind, text.encode()))
    other = result_or_none(lambda: value_codec.decode(CODES[kind], text.encode()))
    assert same(one, other)


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_json_at_its_bounds_is_encoded_and_decoded() -> None:
    for value in (nested(json_codec.MAX_DEPTH), [10 ** (json_codec.MAX_DIGITS - 1)], [1.7e308]):
        assert value_codec.decode(*value_codec.encode(value)) == value


NOT_WRITTEN: Final[dict[str, Any]] = {
    "a level too many": nested(json_codec.MAX_DEPTH + 1),
    "half a pair in a key": {"\ud800": 1},
    "a digit too many": [10**json_codec.MAX_DIGITS],
    "an offset with a microsecond": datetime(
        2026, 1, 31, tzinfo=timezone(timedelta(hours=1, microseconds=1))
    ),
}


@pytest.mark.parametrize("what", NOT_WRITTEN)
def test_value_that_could_not_be_decoded_is_not_encoded(what: str) -> None:
    with pytest.raises(EncryptionError, match="not be decrypted to an equal value"):
        value_codec.encode(NOT_WRITTEN[what])
