"""`make fuzz`: whatever a stranger hands in, only a real token opens, and one error says so."""

from __future__ import annotations

from binascii import b2a_base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app_integration.encryption.tokens import envelope
from app_integration.errors import DecryptionFailed
from tests.support.models.cipher_parts import World
from tests.support.processes import nonces

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3600)]

EXAMPLES = 100_000
WORLD = World()
COMPACT, TEXT = WORLD.process(), WORLD.text_process()
FIELD = COMPACT.field("users.email", ["user_id"])
PACKED: Any = FIELD.encrypt("ada@example.com", 7)
LONG: Any = TEXT.encrypt_field("ada@example.com", {"user_id": 7}, field="users.email")
RAW = envelope.parse(LONG)
WHOLE = RAW.header() + RAW.nonce + RAW.sealed


@st.composite
def changed(draw: Any, original: bytes) -> bytes:
    """*original* after some edits that keep most of its structure."""
    raw = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        end = min(len(raw), at + draw(st.integers(0, 8)))
        raw[at:end] = draw(st.binary(max_size=8) | st.just(original[:at]))
    return bytes(raw)


def refused(token: Any) -> None:
    for decrypt in (FIELD.decrypt, FIELD.decrypt_on_slow_path):
        with pytest.raises(DecryptionFailed):
            decrypt(token, 7)
    assert FIELD.decrypt_many([token, PACKED], [7, 7]).results == [None, "ada@example.com"]


@settings(max_examples=EXAMPLES, deadline=None)
@given(changed(PACKED))
def test_no_change_of_a_keyring_token_opens(raw: bytes) -> None:
    if raw != PACKED:
        refused(raw)


@settings(max_examples=EXAMPLES, deadline=None)
@given(changed(WHOLE))
def test_no_change_inside_a_text_token_opens(raw: bytes) -> None:
    if raw != WHOLE:
        refused("sr3." + b2a_base64(raw, newline=False).decode().rstrip("=\n"))
        refused("sr2." + b2a_base64(raw, newline=False).decode().rstrip("=\n"))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200) | st.text("sr23.AB-_w=", max_size=200))
def test_nothing_else_is_taken_for_a_token(token: Any) -> None:
    refused(token)


def test_no_nonce_is_repeated_in_ten_million() -> None:
    found = nonces.drawn(10_000_000)
    assert len(found) == 10_000_000
    assert nonces.repeated(found) == 0
