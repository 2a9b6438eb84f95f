"""Fuzz tests of tokens, run by ``make fuzz``: any input but a valid token raises one error."""

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
    """Generate *original* with some edits that keep most of its structure."""
    raw = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        end = min(len(raw), at + draw(st.integers(0, 8)))
        raw[at:end] = draw(st.binary(max_size=8) | st.just(original[:at]))
    return bytes(raw)


def decrypt_field(token: Any, user_id: int) -> Any:
    return COMPACT.decrypt_field(token, {"user_id": user_id}, field="users.email")


# So that both data keys are cached, and most inputs begin as a token of the fast path does.
assert decrypt_field(PACKED, 7) == decrypt_field(LONG, 7) == "ada@example.com"


def assert_rejected(token: Any) -> None:
    for decrypt in (FIELD.decrypt, FIELD.decrypt_on_slow_path, decrypt_field):
        with pytest.raises(DecryptionFailed):
            decrypt(token, 7)
    assert FIELD.decrypt_many([token, PACKED], [7, 7]).results == [None, "ada@example.com"]


@settings(max_examples=EXAMPLES)
@given(changed(PACKED))
def test_changed_keyring_token_is_rejected(raw: bytes) -> None:
    if raw != PACKED:
        assert_rejected(raw)


@settings(max_examples=EXAMPLES)
@given(changed(WHOLE))
def test_changed_text_token_is_rejected(raw: bytes) -> None:
    if raw != WHOLE:
        assert_rejected("sr3." + b2a_base64(raw, newline=False).decode().rstrip("=\n"))
        assert_rejected("sr2." + b2a_base64(raw, newline=False).decode().rstrip("=\n"))


@settings(max_examples=EXAMPLES)
@given(
    st.binary(max_size=200)
    | st.text(max_size=200)
    | st.text("sr23.AB-_w=", max_size=200)
    | st.text("ABCDwxyz0189-_.sr", max_size=300).map("sr3.".__add__)
)
def test_arbitrary_input_is_rejected(token: Any) -> None:
    assert_rejected(token)


def test_nonces_of_ten_million_tokens_do_not_repeat() -> None:
    found = nonces.token_prefixes(10_000_000)
    assert len(found) == 10_000_000
    assert nonces.count_repeated(found) == 0
