"""Test JSON as a plaintext: a value comes back equal, or it is neither written nor read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from app_integration.encryption.tokens import json_codec, value_codec
from app_integration.encryption.tokens.json_codec import MAX_DEPTH, MAX_DIGITS
from app_integration.encryption.tokens.value_codec import JSON
from app_integration.errors import DecryptionFailed, EncryptionError


def test_encode_leaves_no_spaces_and_keeps_order_and_characters() -> None:
    value = {"b": [1, True, None, 1.5], "a": {"ü": "砂"}}
    encoded = json_codec.encode(value)
    assert encoded == '{"b":[1,true,null,1.5],"a":{"ü":"砂"}}'.encode()
    assert list(json_codec.decode(encoded)) == ["b", "a"]


@pytest.mark.parametrize(
    "value",
    [{}, [], [[]], {"": ""}, [1e308, -1e308, 0.1], [-1, 2**70], ["[{", "\\u0041", '"']],
    ids=["object", "array", "inner", "empty name", "floats", "integers", "texts"],
)
def test_a_value_comes_back_equal(value: Any) -> None:
    assert json_codec.decode(json_codec.encode(value)) == value


NOT_WRITTEN: dict[str, Any] = {
    "key of another type": {1: "a"},
    "two keys alike": {1: "a", "1": "b"},
    "key of none": {None: "a"},
    "tuple": {"a": (1, 2)},
    "nan": [float("nan")],
    "infinity": [float("inf")],
    "minus infinity": [float("-inf")],
    "surrogate": ["\ud800"],
    "bytes": [b"a"],
    "set": [{1}],
}


@pytest.mark.parametrize("value", NOT_WRITTEN.values(), ids=NOT_WRITTEN)
def test_a_value_that_would_not_come_back_equal_is_not_written(value: Any) -> None:
    with pytest.raises(EncryptionError):
        value_codec.encode(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' { "a" : [ 1 , 2 ] }\n', {"a": [1, 2]}),
        (r'["\u00fc\/"]', ["ü/"]),
        (r'["\ud83c\udfdc"]', ["\U0001f3dc"]),
        ("[1.50, 1E2, -0.0]", [1.5, 100.0, -0.0]),
        ('{"a": 1, "b": {"a": 2}}', {"a": 1, "b": {"a": 2}}),
    ],
    ids=["spaces", "escapes", "surrogate pair", "numbers", "one name in two objects"],
)
def test_other_encodings_are_read(text: str, value: Any) -> None:
    assert json_codec.decode(text.encode()) == value


REJECTED = {
    "nothing": b"",
    "cut off": b"{",
    "number": b"1",
    "text": b'"a"',
    "null": b"null",
    "boolean": b"true",
    "more after it": b"[1]]",
    "name twice": b'{"a":1,"a":1}',
    "name twice inside": b'[{"b":{"a":1,"a":2}}]',
    "nan": b"[NaN]",
    "infinity": b"[Infinity]",
    "minus infinity": b"[-Infinity]",
    "float too large": b"[1e999]",
    "float too small": b"[-1e999]",
    "half of a pair": rb'["\ud800"]',
    "half of a pair in a name": rb'{"\udc00":1}',
    "no UTF-8": b'["\xff"]',
    "UTF-16": "[]".encode("utf-16"),
}


@pytest.mark.parametrize("encoded", REJECTED.values(), ids=REJECTED)
def test_bytes_that_no_value_has_are_rejected(encoded: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        value_codec.decode(JSON, encoded)


def arrays(levels: int) -> str:
    return "[" * levels + "]" * levels


def objects(levels: int) -> str:
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


def both(levels: int) -> str:
    """Alternate arrays and objects: *levels* is even."""
    return '[{"a":' * (levels // 2 - 1) + "[{}]" + "}]" * (levels // 2 - 1)


@pytest.mark.parametrize("nest", [arrays, objects, both], ids=["arrays", "objects", "both"])
def test_the_depth_is_bounded(nest: Any) -> None:
    deepest = nest(MAX_DEPTH)
    assert json_codec.encode(json_codec.decode(deepest.encode())) == deepest.encode()
    with pytest.raises(DecryptionFailed):
        value_codec.decode(JSON, nest(MAX_DEPTH + 2).encode())


@pytest.mark.parametrize("inner", ["[]", "{}", '""'], ids=["array", "object", "text"])
def test_one_level_too_many_is_rejected_beside_a_shallow_value(inner: str) -> None:
    deep = "[" * MAX_DEPTH + inner + "]" * MAX_DEPTH
    shallow = '[{"a": 1}, %s, "a"]'
    if inner == '""':
        assert json_codec.decode(deep.encode())
    else:
        with pytest.raises(DecryptionFailed):
            value_codec.decode(JSON, deep.encode())
    with pytest.raises(DecryptionFailed):
        value_codec.decode(JSON, (shallow % deep).encode())


def test_many_shallow_values_and_brackets_in_text_are_no_depth() -> None:
    wide: list[Any] = [[{}]] * MAX_DEPTH + ["[{" * MAX_DEPTH]
    assert json_codec.decode(json_codec.encode(wide)) == wide


@pytest.fixture
def unbounded_digits() -> Iterator[None]:
    """Lift Python's own bound on the digits of an integer, as a process may."""
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    yield
    sys.set_int_max_str_digits(usual)


@pytest.mark.usefixtures("unbounded_digits")
@pytest.mark.parametrize("sign", ["", "-"], ids=["positive", "negative"])
def test_the_digits_of_an_integer_are_bounded_whatever_the_process_allows(sign: str) -> None:
    longest = f"[{sign}{'9' * MAX_DIGITS}]".encode()
    assert json_codec.encode(json_codec.decode(longest)) == longest
    with pytest.raises(DecryptionFailed):
        value_codec.decode(JSON, f"[{sign}{'9' * (MAX_DIGITS + 1)}]".encode())
    with pytest.raises(EncryptionError):
        value_codec.encode([int(f"{sign}1{'0' * MAX_DIGITS}")])
