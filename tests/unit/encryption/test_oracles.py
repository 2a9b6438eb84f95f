"""Cipher against other implementations: Wycheproof's vectors and Tink.

Tink reads and writes keyring tokens of text.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import tink
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from tink import aead, cleartext_keyset_handle
from tink.proto import aes_gcm_pb2, tink_pb2

from app_integration.encryption.keys.data_key import TEXT_PURPOSES, DataKey
from app_integration.encryption.tokens import associated_data
from app_integration.errors import DecryptionFailed
from tests.support.models.cipher_parts import World

VECTORS = Path(__file__).parents[2] / "vectors"
CASES = json.loads((VECTORS / "wycheproof-aes-256-gcm.json").read_text("utf-8"))["tests"]


def test_wycheproof_vectors_are_complete() -> None:
    assert len(CASES) == 66
    assert sum(case["result"] == "invalid" for case in CASES) == 27


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['tcId']} {case['comment']}")
def test_data_key_agrees_with_wycheproof(case: dict[str, Any]) -> None:
    raw = {name: bytes.fromhex(case[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")}
    key = DataKey(bytes(32), b"wrapped", TEXT_PURPOSES[3])
    cipher = AESGCM(raw["key"])
    key.encrypt, key.decrypt = cipher.encrypt, cipher.decrypt
    sealed = raw["ct"] + raw["tag"]
    if case["result"] == "valid":
        assert key.encrypt(raw["iv"], raw["msg"], raw["aad"]) == sealed
        assert key.open(raw["iv"], sealed, raw["aad"]) == raw["msg"]
    else:
        with pytest.raises(DecryptionFailed):
            key.open(raw["iv"], sealed, raw["aad"])


def tink_aead(number: int, data_key: bytes) -> aead.Aead:
    """Return Tink's AES-GCM under the key that the format derives from *data_key*."""
    aead.register()
    purpose = b"strongroom keyring v1" + number.to_bytes(4, "big")
    derived = HKDF(SHA256(), 64, salt=None, info=purpose).derive(data_key)
    key = aes_gcm_pb2.AesGcmKey(version=0, key_value=derived[:32])
    keyset = tink_pb2.Keyset(primary_key_id=number)
    entry = keyset.key.add(status=tink_pb2.ENABLED, key_id=number, output_prefix_type=tink_pb2.TINK)
    entry.key_data.type_url = "type.googleapis.com/google.crypto.tink.AesGcmKey"
    entry.key_data.value = key.SerializeToString()
    entry.key_data.key_material_type = tink_pb2.KeyData.SYMMETRIC
    reader = tink.BinaryKeysetReader(keyset.SerializeToString())
    primitive: aead.Aead = cleartext_keyset_handle.read(reader).primitive(aead.Aead)
    return primitive


def test_keyring_tokens_are_interchangeable_with_tink() -> None:
    generated: list[bytes] = []

    def random(size: int) -> bytes:
        generated.append(os.urandom(size))
        return generated[-1]

    cipher = World().process(random=random)
    token = cipher.encrypt_field("gaara@example.com", {"user_id": 7}, field="users.email")
    assert isinstance(token, bytes)
    data_key = next(each for each in generated if len(each) == 32)
    number = int.from_bytes(token[1:5], "big")
    aad = token[:5] + associated_data.encode("users.email", {"user_id": 7})
    other = tink_aead(number, data_key)
    assert other.decrypt(token, aad) == b"gaara@example.com"
    theirs = other.encrypt(b"temari@example.com", aad)
    assert len(theirs) == 33 + len("temari@example.com")
    field = cipher.field("users.email", ["user_id"])
    assert field.decrypt(theirs, 7) == "temari@example.com"
    assert field.decrypt_many([theirs, token], [7, 7]).values() == [
        "temari@example.com",
        "gaara@example.com",
    ]
    with pytest.raises(tink.TinkError):
        other.decrypt(token, aad + b"x")
