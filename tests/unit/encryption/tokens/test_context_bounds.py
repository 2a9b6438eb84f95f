"""Test the encoding of contexts at their bounds, and what each rejection names."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.encryption.tokens.encryption_context import MAX_ENTRIES, MAX_NAME, MAX_VALUE
from app_integration.errors import InvalidContext
from app_integration.secret import Secret


@pytest.fixture(autouse=True)
def no_cached_heads() -> None:
    """Clear the cached heads of other tests, so that each test computes its own."""
    for _, _, known in contexts.KINDS.values():
        known.clear()


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("", b"\x01\x00\x00"),
        ("ü", b"\x01\x00\x02\xc3\xbc"),
        (b"ab", b"\x02\x00\x02ab"),
        (-1, b"\x03\x00\x01\xff"),
        (True, b"\x04\x00\x01\x01"),
        (UUID(int=7), b"\x05\x00\x10" + bytes(15) + b"\x07"),
        ("x" * 256, b"\x01\x01\x00" + b"x" * 256),
    ],
    ids=["empty", "text", "bytes", "integer", "boolean", "uuid", "long"],
)
def test_an_entry_is_name_type_length_and_value(value: Any, encoded: bytes) -> None:
    assert contexts.encode_entry("row", value) == b"\x03row" + encoded
    assert contexts.encode({"row": value}) == b"\x01\x03row" + encoded


def test_none_binds_nothing() -> None:
    assert contexts.encode(None) == b"\x00"


def test_entries_are_sorted_as_bytes_so_shorter_names_come_first() -> None:
    assert contexts.encode({"bb": 1, "b": 2, "aa": 3, "c": 4}) == (
        b"\x04"
        b"\x01b\x03\x00\x01\x02"
        b"\x01c\x03\x00\x01\x04"
        b"\x02aa\x03\x00\x01\x03"
        b"\x02bb\x03\x00\x01\x01"
    )


def test_any_mapping_is_a_context() -> None:
    assert contexts.encode(MappingProxyType({"a": 1})) == contexts.encode({"a": 1})


@pytest.mark.parametrize("count", [1, MAX_ENTRIES])
def test_a_context_has_up_to_32_entries(count: int) -> None:
    assert contexts.encode({f"{number:02}": 0 for number in range(count)})[0] == count


def test_the_largest_names_and_values_fit_in_one_context() -> None:
    full = {f"{number:0>{MAX_NAME}}": "x" * MAX_VALUE for number in range(MAX_ENTRIES)}
    assert len(contexts.encode(full)) == 1 + MAX_ENTRIES * (1 + MAX_NAME + 1 + 2 + MAX_VALUE)


@pytest.mark.parametrize("count", [0, MAX_ENTRIES + 1])
def test_a_context_of_another_size_is_rejected_with_the_bounds(count: int) -> None:
    context = {f"{number:02}": 0 for number in range(count)}
    with pytest.raises(InvalidContext, match=f"{count} entries; use 1 to 32, or None"):
        contexts.encode(context)


@pytest.mark.parametrize(
    ("context", "kind"),
    [([("a", 1)], "list"), ("a=1", "str"), (7, "int")],
    ids=["pairs", "text", "number"],
)
def test_a_context_that_is_no_mapping_is_rejected(context: Any, kind: str) -> None:
    with pytest.raises(InvalidContext, match=f"{kind}; use a mapping"):
        contexts.encode(context)


@pytest.mark.parametrize(
    "name", ["a", "x" * MAX_NAME, "ü" * 127], ids=["shortest", "longest", "not ASCII"]
)
def test_a_name_has_up_to_255_bytes(name: str) -> None:
    encoded = name.encode()
    assert contexts.encode_name(name) == bytes([len(encoded)]) + encoded
    assert (
        contexts.encode_entry(name, True) == bytes([len(encoded)]) + encoded + b"\x04\x00\x01\x01"
    )


@pytest.mark.parametrize(
    "name",
    ["", "x" * (MAX_NAME + 1), "ü" * 128, "\ud800", 7, None, b"a"],
    ids=["empty", "long", "long in bytes", "surrogate", "integer", "none", "bytes"],
)
def test_another_name_is_rejected(name: Any) -> None:
    with pytest.raises(InvalidContext, match="use a str of 1 to 255 bytes as the name"):
        contexts.encode_entry(name, 1)
    with pytest.raises(InvalidContext, match="use a str of 1 to 255 bytes as the name"):
        contexts.encode({name: 1})
    with pytest.raises((TypeError, ValueError)):
        contexts.encode_name(name)


@pytest.mark.parametrize(
    "value",
    ["x" * MAX_VALUE, b"x" * MAX_VALUE, (1 << (8 * MAX_VALUE - 1)) - 1],
    ids=["text", "bytes", "integer"],
)
def test_a_value_has_up_to_1024_bytes(value: Any) -> None:
    encoded = contexts.encode_entry("a", value)
    assert encoded[3:5] == b"\x04\x00"
    assert len(encoded) == 5 + MAX_VALUE


@pytest.mark.parametrize(
    "value",
    ["x" * (MAX_VALUE + 1), b"x" * (MAX_VALUE + 1), 1 << (8 * MAX_VALUE - 1), "\ud800"],
    ids=["text", "bytes", "integer", "surrogate"],
)
def test_a_value_out_of_bounds_is_rejected_with_its_name(value: Any) -> None:
    with pytest.raises(InvalidContext, match=r"^context 'row': .* value of at most 1024 bytes"):
        contexts.encode_entry("row", value)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "NoneType"),
        (1.5, "float"),
        ([1], "list"),
        ({"b": 1}, "dict"),
        (bytearray(b"sand"), "bytearray"),
        (Secret("sand"), "Secret"),
    ],
    ids=["none", "float", "list", "dict", "bytearray", "secret"],
)
def test_a_value_of_another_type_is_rejected_with_its_name(value: Any, kind: str) -> None:
    with pytest.raises(
        InvalidContext,
        match=f"^context 'row': cannot bind a value of type {kind}; use.* bytes or UUID$",
    ):
        contexts.encode({"row": value})


def test_heads_come_before_a_value_of_each_length() -> None:
    heads = contexts.get_entry_heads("row", int)
    assert [heads[size] for size in (0, 1, 256)] == [
        b"\x03row\x03\x00\x00",
        b"\x03row\x03\x00\x01",
        b"\x03row\x03\x01\x00",
    ]
    assert len(heads) == MAX_VALUE + 1
    assert contexts.get_entry_heads("row", str)[1] == b"\x03row\x01\x00\x01"


@pytest.mark.parametrize(("name", "kind"), [("row", float), (7, int), ("", int)])
def test_heads_of_no_entry_are_rejected(name: Any, kind: type) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        contexts.get_entry_heads(name, kind)


def test_cached_heads_are_bounded_in_number() -> None:
    known = contexts.KINDS[bool][2]
    first = contexts.get_entry_heads("0", bool)
    for number in range(1, 256):
        contexts.encode_entry(f"{number}", True)
    assert contexts.get_entry_heads("0", bool) is first
    assert len(known) == 256
    assert contexts.encode_entry("one more", True) == b"\x08one more\x04\x00\x01\x01"
    assert len(known) <= 256
    assert contexts.encode_entry("0", True) == b"\x010\x04\x00\x01\x01"
