"""Wrapped keys of each key service, against vectors and a second reader.

``read`` below was written from ``docs/encryption-format.md`` alone.
"""

from __future__ import annotations

import base64
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app_integration.encryption import branch_ciphertext, kms_ciphertext, transit_ciphertext
from app_integration.encryption.keys.branch_keys import BranchKeys
from app_integration.encryption.keys.services.combined import find_backend
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.encryption.keys.wrapped_data_key import WrapScope
from app_integration.encryption.kms_ciphertext import KmsCiphertext
from app_integration.encryption.tokens import encryption_context
from app_integration.settings import Limits
from tests.support.clock import Clock
from tests.support.models.cipher_parts import KeyService, Rows

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/wrapped-keys.json").read_text("utf-8"))
ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+", re.ASCII)

Case = dict[str, Any]


def read(wrapped: bytes) -> tuple[str, str, bytes] | None:
    """Return what wrapped it, the key or its version, and the ciphertext; None if unknown."""
    if wrapped[:4] != bytes(4):
        return "transit", str(int.from_bytes(wrapped[:4], "big")), wrapped[4:]
    if wrapped[4:8] == b"\0\0\0\3" and len(wrapped) == 72:
        return "branch", str(int.from_bytes(wrapped[8:12], "big")), wrapped[12:]
    if wrapped[4:8] != b"\0\0\0\2" or len(wrapped) < 10:
        return None
    end = 9 + wrapped[8]
    arn, ciphertext = wrapped[9:end].decode("ascii", "replace"), wrapped[end:]
    return ("kms", arn, ciphertext) if ARN.fullmatch(arn) and ciphertext else None


@pytest.mark.parametrize("case", VECTORS["kms"], ids=lambda case: case["name"])
def test_wrapped_key_of_kms_is_that_of_the_vector(case: Case) -> None:
    wrapped, ciphertext = bytes.fromhex(case["wrapped"]), bytes.fromhex(case["ciphertext"])
    assert KmsCiphertext(case["key"], ciphertext).encode() == wrapped
    assert kms_ciphertext.parse(wrapped) == (case["key"], ciphertext)
    assert read(wrapped) == ("kms", case["key"], ciphertext)
    assert find_backend(wrapped) == "aws"
    assert transit_ciphertext.expand(wrapped) is None


@pytest.mark.parametrize("case", VECTORS["branch"])
def test_data_key_under_a_branch_key_is_that_of_the_vector(case: Case) -> None:
    parts = {name: bytes.fromhex(text) for name, text in case.items() if name != "branch"}
    found, number = read(parts["wrapped"]), case["branch"].to_bytes(4, "big")
    assert found == ("branch", str(case["branch"]), parts["wrapped"][12:])
    info = b"strongroom branch key v1" + number
    derived = HKDF(SHA256(), 64, None, info).derive(parts["branch_key"])
    assert derived[32:] == parts["commitment"]
    aad = parts["wrapped"][:12] + parts["scope"]
    nonce, sealed = found[2][:12], found[2][12:]
    assert nonce == parts["nonce"]
    assert AESGCM(derived[:32]).decrypt(nonce, sealed, aad) == parts["data_key"]
    assert encryption_context.decode(parts["scope"])["use"] == "branch key"


@pytest.mark.parametrize("case", VECTORS["branch"])
def test_sdk_reads_the_vector_of_a_branch_key(case: Case) -> None:
    keys, rows = KeyService(), Rows()
    scope = WrapScope(bytes.fromhex(case["scope"]), "gaara-store/dev/pii/branch")
    (wrapped,) = keys.wrap([bytes.fromhex(case["branch_key"])], scope.bound)
    commitment = bytes.fromhex(case["commitment"])
    when = datetime(2026, 1, 31, tzinfo=UTC)
    rows.add(WrappedKey(case["branch"], scope.text, wrapped, commitment, when, 1))
    branches = BranchKeys(keys, scope, rows, limits=Limits(), clock=Clock(0.0), random=os.urandom)
    found = branches.unwrap(bytes.fromhex(case["wrapped"]))
    assert found.key == bytes.fromhex(case["data_key"])


@pytest.mark.parametrize("case", VECTORS["kms"], ids=lambda case: case["name"])
def test_scope_becomes_the_encryption_context_of_the_vector(case: Case) -> None:
    entries = encryption_context.decode(bytes.fromhex(case["scope"]))
    assert {name: str(value) for name, value in entries.items()} == case["encryption_context"]


@pytest.mark.parametrize("case", VECTORS["transit"])
def test_wrapped_key_of_transit_is_told_apart(case: Case) -> None:
    wrapped = bytes.fromhex(case["wrapped"])
    assert transit_ciphertext.compact(case["ciphertext"]) == wrapped
    assert read(wrapped) == ("transit", "1", base64.b64decode(case["ciphertext"][9:]))
    assert find_backend(wrapped) == "vault"
    assert kms_ciphertext.parse(wrapped) is None


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["why"])
def test_malformed_wrapped_key_is_of_no_key(case: Case) -> None:
    wrapped = bytes.fromhex(case["wrapped"])
    assert kms_ciphertext.parse(wrapped) is None
    assert branch_ciphertext.parse(wrapped) is None
    assert read(wrapped) is None
    assert transit_ciphertext.expand(wrapped) is None


def test_no_cut_and_no_changed_byte_of_the_head_is_accepted_as_the_same() -> None:
    wrapped = bytes.fromhex(VECTORS["kms"][0]["wrapped"])
    found, head = kms_ciphertext.parse(wrapped), 9 + wrapped[8]
    assert found is not None
    for end in range(head + 1):
        assert kms_ciphertext.parse(wrapped[:end]) is None
    for at in range(head):
        for bit in range(8):
            changed = bytearray(wrapped)
            changed[at] ^= 1 << bit
            assert kms_ciphertext.parse(bytes(changed)) != found
