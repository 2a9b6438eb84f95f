"""Test the scalar encodings: each value has one, and no other bytes are read."""

from __future__ import annotations

from uuid import UUID

import pytest

from app_integration.encryption.tokens import scalar_codec, value_codec
from app_integration.errors import DecryptionFailed

ROW = UUID("00112233-4455-6677-8899-aabbccddeeff")


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (1, "01"),
        (127, "7f"),
        (128, "0080"),
        (255, "00ff"),
        (256, "0100"),
        (32767, "7fff"),
        (32768, "008000"),
        (-1, "ff"),
        (-128, "80"),
        (-129, "ff7f"),
        (-256, "ff00"),
        (-32768, "8000"),
        (-32769, "ff7fff"),
        (2**64, "010000000000000000"),
    ],
)
def test_an_integer_takes_as_few_bytes_as_hold_it(value: int, encoded: str) -> None:
    assert scalar_codec.encode_integer(value).hex() == encoded
    assert scalar_codec.decode_integer(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize("encoded", ["0000", "007f", "ffff", "ff80", "00000080"])
def test_an_integer_with_a_byte_too_many_is_rejected(encoded: str) -> None:
    with pytest.raises(DecryptionFailed):
        value_codec.decode(scalar_codec.INTEGER, bytes.fromhex(encoded))


def test_an_integer_of_no_bytes_is_rejected() -> None:
    with pytest.raises(DecryptionFailed):
        value_codec.decode(scalar_codec.INTEGER, b"")


@pytest.mark.parametrize(
    ("value", "encoded"), [(True, b"\x01"), (False, b"\x00")], ids=["true", "false"]
)
def test_a_boolean_is_one_byte(value: bool, encoded: bytes) -> None:
    assert scalar_codec.encode_boolean(value) == encoded
    assert scalar_codec.decode_boolean(encoded) is value


@pytest.mark.parametrize("encoded", ["02", "ff", "0000", "0001", "0100"])
def test_a_boolean_of_other_bytes_is_rejected(encoded: str) -> None:
    with pytest.raises(DecryptionFailed):
        value_codec.decode(scalar_codec.BOOLEAN, bytes.fromhex(encoded))


def test_a_uuid_is_its_bytes_in_printed_order() -> None:
    assert scalar_codec.encode_unique_id(ROW).hex() == "00112233445566778899aabbccddeeff"
    assert scalar_codec.decode_unique_id(ROW.bytes) == ROW


@pytest.mark.parametrize("size", [0, 15, 17])
def test_a_uuid_of_another_size_is_rejected(size: int) -> None:
    with pytest.raises(DecryptionFailed):
        value_codec.decode(scalar_codec.UNIQUE_ID, bytes(size))


def test_bytes_are_themselves() -> None:
    assert scalar_codec.encode_bytes(b"\x00\xff") == b"\x00\xff"
