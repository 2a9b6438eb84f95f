"""The vectors of every format ever landed, against the library and against a second reader.

``read`` below was written from ``docs/encryption-format.md`` alone; it shares no code with the
library.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app_integration import names
from app_integration.encryption import ciphertext, context
from app_integration.encryption.fields import FieldCipher, wrap_scope
from app_integration.errors import DecryptionFailed

VECTORS = Path(__file__).parents[1] / "vectors"
FILES = {path.name: json.loads(path.read_text("utf-8")) for path in VECTORS.glob("envelope-*.json")}
TOKENS = [case for file in FILES.values() for case in file["tokens"]]
REFUSED = [case for file in FILES.values() for case in file["refused"]]
SCOPES = [file["scope"] for file in FILES.values()]

TYPES: dict[str, Any] = {
    "str": str,
    "bytes": bytes.fromhex,
    "int": int,
    "bool": lambda text: {"true": True, "false": False}[text],
    "uuid": UUID,
    "decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "json": json.loads,
}
CODES = {"str": 1, "bytes": 2, "int": 3, "bool": 4, "uuid": 5}


def written(entry: dict[str, str]) -> Any:
    """The Python value that a vector spells as type and text."""
    return TYPES[entry["type"]](entry["text"])


def context_of(case: dict[str, Any]) -> dict[str, Any] | None:
    entries = case["context"]
    return entries and {entry["name"]: written(entry) for entry in entries}


def ids(case: dict[str, Any]) -> str:
    return str(case.get("name") or case["why"])


class Escrow:
    """A key service that knows the vectors' data key, and no other."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.key, self.wrapped = bytes.fromhex(case["data_key"]), bytes.fromhex(case["wrapped"])

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        assert list(data_keys) == [self.key]
        assert scope
        return [self.wrapped]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes]:
        assert scope
        if list(wrapped) != [self.wrapped]:
            raise DecryptionFailed
        return [self.key]


def cipher(case: dict[str, Any]) -> FieldCipher:
    """A cipher whose only randomness is the vector's."""
    drawn = {32: bytes.fromhex(case["data_key"]), 12: bytes.fromhex(case.get("nonce", ""))}
    scope = names.Scope("gaara-store", names.Environment.DEV)
    return FieldCipher(Escrow(case), scope, random=drawn.__getitem__)


def test_every_landed_version_has_its_vectors() -> None:
    assert {"envelope-v2.json"} <= FILES.keys()
    assert len(TOKENS) >= 21
    assert len(REFUSED) >= 35


@pytest.mark.parametrize("case", TOKENS, ids=ids)
def test_the_library_reads_the_token(case: dict[str, Any]) -> None:
    back = cipher(case).decrypt_field(case["token"], context_of(case))
    assert back == written(case["value"])
    assert type(back) is type(written(case["value"]))


@pytest.mark.parametrize("case", TOKENS, ids=ids)
def test_the_library_writes_that_very_token(case: dict[str, Any]) -> None:
    assert context.encode(context_of(case)).hex() == case["encoded_context"]
    assert cipher(case).encrypt_field(written(case["value"]), context_of(case)) == case["token"]


@pytest.mark.parametrize("case", REFUSED, ids=ids)
def test_the_library_refuses_the_token(case: dict[str, Any]) -> None:
    with pytest.raises(DecryptionFailed):
        cipher(TOKENS[0]).decrypt_field(case["token"], context_of(case))


@pytest.mark.parametrize("case", SCOPES, ids=lambda case: case["service"])
def test_the_wrap_scope_and_the_compact_ciphertext_are_the_documented_ones(
    case: dict[str, str],
) -> None:
    scope = names.Scope(case["service"], names.environment(case["environment"]))
    assert wrap_scope(scope, case["key"]).hex() == case["encoded"]
    assert ciphertext.compact(case["transit_ciphertext"]).hex() == case["wrapped"]
    assert ciphertext.expand(bytes.fromhex(case["wrapped"])) == case["transit_ciphertext"]


# The second reader.


class Unreadable(Exception):
    """The second reader's one error."""


def read(token: str, entries: list[dict[str, str]] | None, data_key: bytes, wrapped: bytes) -> Any:
    """The value of *token*, given the data key that *wrapped* stands for."""
    envelope = envelope_of(token)
    length = int.from_bytes(envelope[2:4], "big")
    if envelope[0] != 2 or not 1 <= length <= 1024 or len(envelope) < 4 + length + 60:
        raise Unreadable
    header, nonce, sealed = (
        envelope[: 36 + length],
        envelope[36 + length : 48 + length],
        envelope[48 + length :],
    )
    derived = HKDF(SHA256(), 64, salt=None, info=b"strongroom data key v2").derive(data_key)
    if header[4 : 4 + length] != wrapped or header[4 + length :] != derived[32:]:
        raise Unreadable
    additional = b"\x10strongroom field" + header + bound(entries)
    try:
        plaintext = AESGCM(derived[:32]).decrypt(nonce, sealed, additional)
        return READERS[envelope[1]](plaintext)
    except (InvalidTag, KeyError, ValueError, ArithmeticError):
        raise Unreadable from None


def envelope_of(token: str) -> bytes:
    if not token.startswith("sr2."):
        raise Unreadable
    text = token[4:]
    try:
        envelope = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise Unreadable from None
    if base64.urlsafe_b64encode(envelope).decode().rstrip("=") != text or len(envelope) < 4:
        raise Unreadable
    return envelope


def bound(entries: list[dict[str, str]] | None) -> bytes:
    if entries is None:
        return b"\x00"
    encoded = []
    for entry in entries:
        name, value = entry["name"].encode(), scalar(entry)
        part = bytes([len(name)]) + name + bytes([CODES[entry["type"]]])
        encoded.append(part + len(value).to_bytes(2, "big") + value)
    return bytes([len(encoded)]) + b"".join(sorted(encoded))


def scalar(entry: dict[str, str]) -> bytes:
    value = written(entry)
    match entry["type"]:
        case "int":
            return fewest_bytes(value)
        case "bool":
            return b"\x01" if value else b"\x00"
        case "uuid":
            return bytes.fromhex(entry["text"].replace("-", ""))
        case "bytes":
            return bytes(value)
        case _:
            return entry["text"].encode()


def fewest_bytes(number: int) -> bytes:
    length = 1
    while not -(1 << (8 * length - 1)) <= number < 1 << (8 * length - 1):
        length += 1
    return number.to_bytes(length, "big", signed=True)


def integer_of(plaintext: bytes) -> int:
    number = int.from_bytes(plaintext, "big", signed=True)
    if fewest_bytes(number) != plaintext:
        raise Unreadable
    return number


READERS: dict[int, Any] = {
    1: bytes.decode,
    2: bytes,
    3: integer_of,
    4: {b"\x00": False, b"\x01": True}.__getitem__,
    5: lambda plaintext: UUID(bytes=plaintext),
    6: lambda plaintext: Decimal(plaintext.decode("ascii")),
    7: lambda plaintext: date.fromisoformat(plaintext.decode("ascii")),
    8: lambda plaintext: datetime.fromisoformat(plaintext.decode("ascii")),
    9: json.loads,
}


@pytest.mark.parametrize("case", TOKENS, ids=ids)
def test_the_second_reader_reads_the_token(case: dict[str, Any]) -> None:
    data_key, wrapped = bytes.fromhex(case["data_key"]), bytes.fromhex(case["wrapped"])
    back = read(case["token"], case["context"], data_key, wrapped)
    assert back == written(case["value"])
    assert type(back) is type(written(case["value"]))


@pytest.mark.parametrize("case", REFUSED, ids=ids)
def test_the_second_reader_refuses_the_token(case: dict[str, Any]) -> None:
    first = TOKENS[0]
    data_key, wrapped = bytes.fromhex(first["data_key"]), bytes.fromhex(first["wrapped"])
    with pytest.raises(Unreadable):
        read(case["token"], case["context"], data_key, wrapped)
