"""Vectors of every released format, against the library and against a second reader.

``read`` below was written from ``docs/encryption-format.md`` alone; it shares no code with the
library. So was the shorter reader in ``docs/howto/Leaving.md``, for those who go on without it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
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
from app_integration.encryption import transit_ciphertext
from app_integration.encryption.cipher import FieldCipher, wrap_scope
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.encryption.tokens import encryption_context
from app_integration.errors import DecryptionFailed

VECTORS = Path(__file__).parents[2] / "vectors"
LEAVING = Path(__file__).parents[3] / "docs" / "howto" / "Leaving.md"
PATHS = sorted([*VECTORS.glob("envelope-*.json"), *VECTORS.glob("keyring-*.json")])
FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in PATHS}
TOKENS = [{**case, "file": stem} for stem, file in FILES.items() for case in file["tokens"]]
REFUSED = [{**case, "file": stem} for stem, file in FILES.items() for case in file["refused"]]
WRITTEN = [case for case in TOKENS if case["file"] != "envelope-v2"]
SCOPES = [file["scope"] for file in FILES.values() if "scope" in file]

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
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
CODES = {"str": 1, "bytes": 2, "int": 3, "bool": 4, "uuid": 5}


def value_of(entry: dict[str, str]) -> Any:
    """Return the Python value that a vector has as type and text."""
    return TYPES[entry["type"]](entry["text"])


def context_of(case: dict[str, Any]) -> dict[str, Any] | None:
    entries = case["context"]
    return entries and {entry["name"]: value_of(entry) for entry in entries}


def token_of(case: dict[str, Any]) -> str | bytes:
    token: str = case["token"]
    return bytes.fromhex(token) if case["file"].startswith("keyring") else token


def first_token_of(case: dict[str, Any]) -> dict[str, Any]:
    """Return the first token of the same file, whose data key a rejected token is read with."""
    return next(each for each in TOKENS if each["file"] == case["file"])


def case_id(case: dict[str, Any]) -> str:
    return f"{case['file']}: {case.get('name') or case['why']}"


class VectorKeyService:
    """A key service that knows the vectors' data key and no other."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.key, self.wrapped = bytes.fromhex(case["data_key"]), bytes.fromhex(case["wrapped"])

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        assert list(data_keys) == [self.key]
        assert scope
        return [self.wrapped]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        assert scope
        return [self.key if each == self.wrapped else None for each in wrapped]

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        return self.unwrap(wrapped, scope)

    def version(self, wrapped: bytes) -> int:
        assert wrapped
        return 1


class SingleRowStore:
    """A store that contains the vector's data key, and accepts only that key."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.row = WrappedKey(
            case["number"],
            "gaara-store/dev/pii",
            bytes.fromhex(case["wrapped"]),
            bytes.fromhex(case["commitment"]),
            LONG_AGO,
            1,
        )

    def add(self, key: WrappedKey) -> bool:
        assert replace(key, created=LONG_AGO) == self.row
        return True

    def get(self, numbers: Iterable[int]) -> list[WrappedKey]:
        return [self.row for number in numbers if number == self.row.number]

    def list_by_scope(self, scope: str) -> list[WrappedKey]:
        return [self.row] if scope == self.row.scope else []

    def rewrap(self, key: WrappedKey, wrapped: bytes, version: int) -> bool:
        pytest.fail(f"{key} of a vector was rewrapped as {wrapped!r}, version {version}")


def cipher(case: dict[str, Any]) -> FieldCipher:
    """Return a cipher whose only randomness is the vector's."""
    random_bytes = {
        32: bytes.fromhex(case["data_key"]),
        12: bytes.fromhex(case.get("nonce", "")),
        4: case.get("number", 0).to_bytes(4, "big"),
    }
    scope = names.Scope("gaara-store", names.Environment.DEV)
    store = SingleRowStore(case) if "number" in case else None
    return FieldCipher(
        VectorKeyService(case), scope, data_keys=store, random=random_bytes.__getitem__
    )


def test_every_released_version_has_its_vectors() -> None:
    assert {name: (len(file["tokens"]), len(file["refused"])) for name, file in FILES.items()} == {
        "envelope-v2": (21, 35),
        "envelope-v3": (21, 43),
        "keyring-v1": (21, 32),
    }


@pytest.mark.parametrize("case", TOKENS, ids=case_id)
def test_library_decrypts_the_token(case: dict[str, Any]) -> None:
    back = cipher(case).decrypt_field(token_of(case), context_of(case), field=case.get("field"))
    assert back == value_of(case["value"])
    assert type(back) is type(value_of(case["value"]))


@pytest.mark.parametrize("case", WRITTEN, ids=case_id)
def test_library_writes_the_same_token(case: dict[str, Any]) -> None:
    assert encryption_context.encode(context_of(case)).hex() == case["encoded_context"]
    value, token = value_of(case["value"]), token_of(case)
    assert cipher(case).encrypt_field(value, context_of(case), field=case["field"]) == token


@pytest.mark.parametrize("case", [case for case in WRITTEN if case["field"]], ids=case_id)
def test_declared_field_reads_and_writes_the_same_token(case: dict[str, Any]) -> None:
    bound, value = context_of(case) or {}, value_of(case["value"])
    field = cipher(case).field(case["field"], list(bound), type(value))
    for _ in range(3):
        assert field.encrypt(value, *bound.values()) == token_of(case)
        assert field.decrypt(token_of(case), *bound.values()) == value


@pytest.mark.parametrize("case", REFUSED, ids=case_id)
def test_library_rejects_the_invalid_token(case: dict[str, Any]) -> None:
    with pytest.raises(DecryptionFailed):
        cipher(first_token_of(case)).decrypt_field(
            token_of(case), context_of(case), field=case.get("field")
        )


@pytest.mark.parametrize("case", SCOPES, ids=lambda case: case["service"])
def test_wrap_scope_and_compact_ciphertext_match_the_document(case: dict[str, str]) -> None:
    scope = names.Scope(case["service"], names.parse_environment(case["environment"]))
    assert wrap_scope(scope, case["key"]).bound.hex() == case["encoded"]
    assert transit_ciphertext.compact(case["transit_ciphertext"]).hex() == case["wrapped"]
    assert transit_ciphertext.expand(bytes.fromhex(case["wrapped"])) == case["transit_ciphertext"]


# The second reader.


class Unreadable(Exception):
    """Only error of the second reader."""


def read(case: dict[str, Any], key: dict[str, Any]) -> Any:
    """Return the value of *case*'s token, decrypted with the data key of the vector *key*."""
    data_key, wrapped = bytes.fromhex(key["data_key"]), bytes.fromhex(key["wrapped"])
    if case["file"].startswith("keyring"):
        row = (key["number"], bytes.fromhex(key["commitment"]))
        return read_keyring(bytes.fromhex(case["token"]), case, data_key, row)
    version = int(case["file"][-1])
    envelope = envelope_of(case["token"], version)
    length = int.from_bytes(envelope[2:4], "big")
    if envelope[0] != version or not 1 <= length <= 1024 or len(envelope) < 4 + length + 60:
        raise Unreadable
    header, rest = envelope[: 36 + length], envelope[36 + length :]
    derived = derive(data_key, b"strongroom data key v%d" % version)
    if header[4 : 4 + length] != wrapped or header[4 + length :] != derived[32:]:
        raise Unreadable
    if version == 2:
        aad = b"\x10strongroom field" + header + context_bytes(case["context"])
    else:
        short = header[:2] + header[4 + length :]
        aad = b"\x10strongroom field" + short + field_bytes(case) + context_bytes(case["context"])
    return decrypt(derived[:32], rest, aad, envelope[1])


def read_keyring(
    token: bytes, case: dict[str, Any], data_key: bytes, row: tuple[int, bytes]
) -> Any:
    number, commitment = row
    if len(token) < 33 or token[0] & 15 != 1 or int.from_bytes(token[1:5], "big") != number:
        raise Unreadable
    derived = derive(data_key, b"strongroom keyring v1" + number.to_bytes(4, "big"))
    assert derived[32:] == commitment
    aad = token[:5] + field_bytes(case) + context_bytes(case["context"])
    return decrypt(derived[:32], token[5:], aad, (token[0] >> 4) + 1)


def derive(data_key: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 64, salt=None, info=info).derive(data_key)


def field_bytes(case: dict[str, Any]) -> bytes:
    field = (case["field"] or "").encode()
    return bytes([len(field)]) + field


def decrypt(key: bytes, rest: bytes, aad: bytes, code: int) -> Any:
    try:
        return READERS[code](AESGCM(key).decrypt(rest[:12], rest[12:], aad))
    except (InvalidTag, KeyError, ValueError, ArithmeticError):
        raise Unreadable from None


def envelope_of(token: str, version: int) -> bytes:
    if not token.startswith(f"sr{version}."):
        raise Unreadable
    text = token[4:]
    try:
        envelope = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise Unreadable from None
    if base64.urlsafe_b64encode(envelope).decode().rstrip("=") != text or len(envelope) < 4:
        raise Unreadable
    return envelope


def context_bytes(entries: list[dict[str, str]] | None) -> bytes:
    if entries is None:
        return b"\x00"
    encoded = []
    for entry in entries:
        name, value = entry["name"].encode(), scalar(entry)
        part = bytes([len(name)]) + name + bytes([CODES[entry["type"]]])
        encoded.append(part + len(value).to_bytes(2, "big") + value)
    return bytes([len(encoded)]) + b"".join(sorted(encoded))


def scalar(entry: dict[str, str]) -> bytes:
    value = value_of(entry)
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


@pytest.mark.parametrize("case", TOKENS, ids=case_id)
def test_second_reader_decrypts_the_token(case: dict[str, Any]) -> None:
    back = read(case, case)
    assert back == value_of(case["value"])
    assert type(back) is type(value_of(case["value"]))


@pytest.mark.parametrize("case", REFUSED, ids=case_id)
def test_second_reader_rejects_the_invalid_token(case: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read(case, first_token_of(case))


# The reader of those who leave.


@pytest.fixture(scope="module")
def documented_decrypt() -> Any:
    """Return the function ``decrypt`` of the page."""
    section = LEAVING.read_text("utf-8").partition("\n## Decrypt tokens\n")[2]
    code = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0]
    namespace: dict[str, Any] = {}
    exec(code, namespace)  # noqa: S102 (of our own page)
    return namespace["decrypt"]


@pytest.mark.parametrize("case", WRITTEN, ids=case_id)
def test_reader_of_the_page_decrypts_the_token(
    case: dict[str, Any], documented_decrypt: Any
) -> None:
    keys = {bytes.fromhex(case["wrapped"]): bytes.fromhex(case["data_key"])}
    rows = {case.get("number"): (bytes.fromhex(case["wrapped"]), bytes.fromhex(case["commitment"]))}
    back = documented_decrypt(
        token_of(case),
        context_of(case) or {},
        keys.__getitem__,
        rows.__getitem__,
        case["field"] or "",
    )
    assert back == value_of(case["value"])
    assert type(back) is type(value_of(case["value"]))


@pytest.mark.parametrize("case", WRITTEN, ids=case_id)
def test_reader_of_the_page_rejects_another_context_and_data_key(
    case: dict[str, Any], documented_decrypt: Any
) -> None:
    row = (bytes.fromhex(case["wrapped"]), bytes.fromhex(case["commitment"]))
    token, field, data_key = token_of(case), case["field"] or "", bytes.fromhex(case["data_key"])
    with pytest.raises(InvalidTag):
        documented_decrypt(token, {"another": 1}, lambda _: data_key, lambda _: row, field)
    with pytest.raises(ValueError, match="data key"):
        documented_decrypt(token, context_of(case) or {}, lambda _: bytes(32), lambda _: row, field)
