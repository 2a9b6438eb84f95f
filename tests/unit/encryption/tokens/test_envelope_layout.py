"""Test the layout of self-contained tokens: each part at its place, and one encoding."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest

from app_integration.encryption.keys.data_key import MAX_WRAPPED, TEXT_PURPOSES, DataKey
from app_integration.encryption.tokens import envelope, value_codec
from app_integration.errors import DecryptionFailed

NONCE = bytes(range(12))
COMMITMENT = bytes(range(100, 132))
LABEL = b"\x10strongroom field"


def text(raw: bytes, version: int = 3) -> str:
    return f"sr{version}." + urlsafe_b64encode(raw).decode().rstrip("=")


def raw_token(
    *, version: int = 3, kind: int = 1, length: int | None = None, wrapped: bytes, sealed: int = 20
) -> bytes:
    """Return the bytes of a token with *sealed* bytes of made-up ciphertext and tag."""
    head = bytes([version, kind]) + (len(wrapped) if length is None else length).to_bytes(2, "big")
    return head + wrapped + COMMITMENT + NONCE + bytes(sealed)


@pytest.mark.parametrize("size", [1, 2, 3, 300, MAX_WRAPPED])
@pytest.mark.parametrize("plaintext", [b"", b"sand", b"\xff\xfe\xfd"], ids=["none", "text", "high"])
def test_a_sealed_value_has_the_documented_layout(size: int, plaintext: bytes) -> None:
    key = DataKey(bytes(32), b"\xfb" * size, TEXT_PURPOSES[3])
    aad = LABEL + b"\x03\x02" + key.commitment + b"binding"
    for _ in range(2):
        token = envelope.seal(key, 2, plaintext, b"binding", NONCE)
        sealed = key.encrypt(NONCE, plaintext, aad)
        header = b"\x03\x02" + size.to_bytes(2, "big") + key.wrapped + key.commitment
        assert token == text(header + NONCE + sealed)
        parts = envelope.parse(token)
        assert parts == (3, 2, key.wrapped, key.commitment, NONCE, sealed)
        assert parts.get_associated_data() + b"binding" == aad
        assert parts.header() == header


def test_each_type_keeps_its_own_frame() -> None:
    key = DataKey(bytes(32), b"wrapped", TEXT_PURPOSES[3])
    tokens = [envelope.seal(key, kind, b"", b"", NONCE) for kind in (1, 2, 1, 2)]
    assert [envelope.parse(token).value_type for token in tokens] == [1, 2, 1, 2]
    assert set(key.frames) == {1, 2}


def test_version_2_authenticates_everything_up_to_the_nonce() -> None:
    raw = raw_token(version=2, wrapped=b"wrapped")
    parts = envelope.parse(text(raw, version=2))
    assert parts == (2, 1, b"wrapped", COMMITMENT, NONCE, bytes(20))
    assert parts.get_associated_data() == LABEL + b"\x02\x01\x00\x07wrapped" + COMMITMENT


@pytest.mark.parametrize(
    "wrapped", [b"n", b"ne", b"new", b"\xfb\xef"], ids=["one", "two", "three", "high"]
)
def test_a_rewrapped_token_differs_in_the_wrapped_key_only(wrapped: bytes) -> None:
    parts = envelope.parse(text(raw_token(wrapped=b"wrapped")))
    again = parts.with_wrapped_key(wrapped)
    assert again == text(raw_token(wrapped=wrapped))
    assert envelope.parse(again) == parts._replace(wrapped=wrapped)
    assert parts.wrapped == b"wrapped"


@pytest.mark.parametrize(
    ("wrapped", "sealed"),
    [(1, 16), (MAX_WRAPPED, 16), (1, value_codec.MAX_SIZE + 16), (MAX_WRAPPED, 2**20 + 16)],
    ids=["smallest", "longest key", "largest value", "largest"],
)
def test_a_token_at_its_bounds_is_parsed(wrapped: int, sealed: int) -> None:
    raw = raw_token(wrapped=b"w" * wrapped, sealed=sealed)
    parts = envelope.parse(text(raw))
    assert (len(parts.wrapped), len(parts.sealed)) == (wrapped, sealed)


REJECTED = {
    "empty": b"",
    "one byte": b"\x03",
    "no key": raw_token(wrapped=b"", sealed=40),
    "key too long": raw_token(wrapped=b"w" * (MAX_WRAPPED + 1)),
    "length past the end": raw_token(wrapped=b"wrapped", length=500),
    "no room for the tag": raw_token(wrapped=b"two", sealed=15),
    "value too large": raw_token(wrapped=b"w", sealed=2**20 + 17),
    "one byte less than the smallest": raw_token(wrapped=b"w", sealed=15),
    "another version inside": raw_token(version=2, wrapped=b"wrapped"),
    "type 0": raw_token(kind=0, wrapped=b"wrapped"),
    "type 10": raw_token(kind=10, wrapped=b"wrapped"),
}


@pytest.mark.parametrize("raw", REJECTED.values(), ids=REJECTED)
def test_bytes_of_another_layout_are_rejected(raw: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        envelope.parse(text(raw))


RAW = raw_token(wrapped=b"\xfb\xef\xff" * 3, sealed=17)
TOKEN = text(RAW)
OTHER_ENCODINGS = {
    "bytes": TOKEN.encode(),
    "none": None,
    "no prefix": TOKEN[4:],
    "another version": "sr4." + TOKEN[4:],
    "capitals": "SR3." + TOKEN[4:],
    "padded": TOKEN + "=" * (-(len(TOKEN) - 4) % 4),
    "too much padding": TOKEN + "====",
    "plus and slash": TOKEN.replace("-", "+").replace("_", "/"),
    "line end": TOKEN + "\n",
    "space inside": TOKEN[:20] + " " + TOKEN[20:],
    "not ASCII": TOKEN[:-1] + "ü",
    "surrogate": TOKEN[:-1] + "\ud800",
    "cut off within a byte": TOKEN[:-2],
    "last bits set": TOKEN[:-1] + chr(ord(TOKEN[-1]) + 1),
}


def test_canonical_encoding_is_parsed() -> None:
    assert "-" in TOKEN
    assert "_" in TOKEN
    assert envelope.parse(TOKEN).wrapped == b"\xfb\xef\xff" * 3


@pytest.mark.parametrize("token", OTHER_ENCODINGS.values(), ids=OTHER_ENCODINGS)
def test_other_encoding_is_rejected(token: object) -> None:
    with pytest.raises(DecryptionFailed):
        envelope.parse(token)


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def decode_or_none(part: str) -> bytes | None:
    try:
        return envelope.decode_part(part)
    except (ValueError, LookupError):
        return None


@pytest.mark.parametrize("size", range(1, 12))
def test_part_of_a_text_has_one_encoding(size: int) -> None:
    raw = bytes(range(250, 250 - size, -1))
    part = urlsafe_b64encode(raw).decode().rstrip("=")
    assert envelope.decode_part(part) == raw
    changed = [
        part[:at] + each + part[at + 1 :]
        for at in range(len(part))
        for each in ALPHABET + "+/=.! \n\x00ü\ud800"
    ]
    for other in (
        *changed,
        part + "=",
        part + "==",
        part + "\n",
        part + "A",
        "=" + part,
        part[:-1],
    ):
        found = decode_or_none(other)
        assert found is None or urlsafe_b64encode(found).decode().rstrip("=") == other


def test_part_of_no_or_one_character_is_an_error() -> None:
    with pytest.raises(IndexError):
        envelope.decode_part("")
    with pytest.raises(KeyError):
        envelope.decode_part("A")


def test_constants_of_a_key_are_computed_once_for_each_type() -> None:
    key = DataKey(bytes(32), b"\xfb" * 64, TEXT_PURPOSES[3])
    authenticated, start, before = envelope.make_frame(key, 2)
    assert key.frames == {2: (authenticated, start, before)}
    token = envelope.seal(key, 2, b"sand", b"binding", NONCE)
    assert token.startswith(start)
    assert (len(start), len(before)) == (136, 1)
    assert envelope.decode_part(token[len(start) :])[:13] == before + NONCE
    assert authenticated == LABEL + b"\x03\x02" + key.commitment
