"""Test the layout of keyring tokens: each part at its place, and no other size or type."""

from __future__ import annotations

import pytest

from app_integration.encryption.keys.data_key import DataKey, keyring_purpose
from app_integration.encryption.tokens import keyring_token, value_codec
from app_integration.errors import DecryptionFailed

NONCE = bytes(range(12))
NUMBER = 0x01020304


@pytest.fixture
def key() -> DataKey:
    return DataKey(bytes(32), b"wrapped", keyring_purpose(NUMBER), NUMBER)


def token(*, first: int = 0x01, size: int = 40) -> bytes:
    """Return a token of *size* bytes whose ciphertext is made up."""
    return (bytes([first]) + NUMBER.to_bytes(4, "big") + NONCE + bytes(size))[:size]


@pytest.mark.parametrize(
    ("value_type", "number", "header"),
    [(1, 0, "0100000000"), (2, 7, "1100000007"), (9, 0x01020304, "8101020304")],
)
def test_the_header_is_type_suite_and_number(value_type: int, number: int, header: str) -> None:
    assert keyring_token.header(value_type, number).hex() == header


@pytest.mark.parametrize("value_type", [1, 2, 9])
def test_a_sealed_value_opens_with_its_header_and_binding(key: DataKey, value_type: int) -> None:
    header = keyring_token.header(value_type, NUMBER)
    for _ in range(2):
        sealed = keyring_token.seal(key, value_type, b"sand", b"binding", NONCE)
        assert len(sealed) == 33 + len(b"sand")
        parts = keyring_token.parse(sealed)
        assert parts == (value_type, NUMBER, header, NONCE, sealed[17:])
        assert key.open(NONCE, parts.sealed, header + b"binding") == b"sand"


def test_each_type_keeps_its_own_header(key: DataKey) -> None:
    first = [keyring_token.seal(key, kind, b"", b"", NONCE)[0] for kind in (1, 2, 1, 2)]
    assert first == [0x01, 0x11, 0x01, 0x11]
    assert key.headers == {1: keyring_token.header(1, NUMBER), 2: keyring_token.header(2, NUMBER)}


@pytest.mark.parametrize("size", [33, value_codec.MAX_SIZE + 33], ids=["smallest", "largest"])
def test_a_token_of_the_smallest_and_the_largest_size_is_parsed(size: int) -> None:
    parts = keyring_token.parse(token(size=size))
    assert (parts.nonce, len(parts.sealed)) == (NONCE, size - 17)


@pytest.mark.parametrize(
    "size", [0, 1, 32, value_codec.MAX_SIZE + 34], ids=["empty", "one byte", "short", "long"]
)
def test_a_token_of_another_size_is_rejected(size: int) -> None:
    with pytest.raises(DecryptionFailed):
        keyring_token.parse(token(size=size))


@pytest.mark.parametrize("first", [0x01, 0x81])
def test_a_token_of_a_known_type_is_parsed(first: int) -> None:
    assert keyring_token.parse(token(first=first)).value_type == first // 16 + 1


@pytest.mark.parametrize("first", [0x00, 0x02, 0x09, 0x10, 0x91, 0xF1])
def test_a_token_of_another_suite_or_type_is_rejected(first: int) -> None:
    with pytest.raises(DecryptionFailed):
        keyring_token.parse(token(first=first))
