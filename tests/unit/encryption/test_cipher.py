"""Field tokens: a value is decrypted as it was encrypted, and nothing else is ever accepted."""

from __future__ import annotations

import base64
import itertools
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.data_key import TEXT_PURPOSES, DataKey
from app_integration.encryption.tokens import envelope, value_codec
from app_integration.errors import DecryptionFailed, EncryptionError, InvalidContext
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from tests.support.models.cipher_parts import STORE, KeyService

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture
def service() -> KeyService:
    return KeyService()


@pytest.fixture
def cipher(service: KeyService) -> FieldCipher:
    return FieldCipher(service, STORE)


def encrypt(cipher: FieldCipher, value: object, context: Any = None) -> str:
    token = cipher.encrypt_field(value, context)
    assert isinstance(token, str)
    return token


def token_bytes(token: str) -> bytes:
    text = token.removeprefix("sr3.")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def token_text(raw: bytes) -> str:
    return "sr3." + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def test_none_is_returned_as_none_without_a_request(
    cipher: FieldCipher, service: KeyService
) -> None:
    assert cipher.encrypt_field(None, {"user_id": 7}) is None
    assert cipher.decrypt_field(None, {"user_id": 7}) is None
    assert service.requests == []


def test_secret_is_decrypted_as_its_text(cipher: FieldCipher) -> None:
    assert cipher.decrypt_field(encrypt(cipher, Secret("hunter2"))) == "hunter2"


def test_text_token_is_printable_and_128_bytes_longer_than_the_value() -> None:
    key = DataKey(bytes(32), bytes(64), TEXT_PURPOSES[3])
    token = envelope.seal(key, 1, b"gaara@example.com", b"\x00\x00", bytes(12))
    assert len(token_bytes(token)) == 128 + len("gaara@example.com")
    assert set(token) <= set(ALPHABET + ".")


def test_same_value_is_never_encrypted_to_the_same_token(cipher: FieldCipher) -> None:
    assert len({cipher.encrypt_field("x") for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "context",
    [
        None,
        {"user_id": 8},
        {"user_id": "7"},
        {"user_id": True},
        {"user": 7},
        {"user_id": 7, "a": 1},
    ],
    ids=repr,
)
def test_token_under_another_context_is_rejected(cipher: FieldCipher, context: Any) -> None:
    token = encrypt(cipher, "gaara@example.com", {"user_id": 7})
    with pytest.raises(DecryptionFailed):
        cipher.decrypt_field(token, context)


@pytest.mark.parametrize(
    ("scope", "key_name"),
    [
        (Scope("gaara-store", Environment.PROD), "pii"),
        (Scope("gaara", Environment.DEV), "pii"),
        (STORE, "index"),
    ],
    ids=str,
)
def test_token_of_another_service_environment_or_key_is_rejected(
    service: KeyService, cipher: FieldCipher, scope: Scope, key_name: str
) -> None:
    """Use one wrapping key for all, so that the scope alone makes the difference."""
    token = encrypt(cipher, "gaara@example.com")
    with pytest.raises(DecryptionFailed):
        FieldCipher(service, scope, key_name).decrypt_field(token)


def tampered_bits(token: str) -> list[str]:
    original = token_bytes(token)
    flipped = []
    for position in range(8 * len(original)):
        changed = bytearray(original)
        changed[position // 8] ^= 1 << position % 8
        flipped.append(token_text(bytes(changed)))
    return flipped


def tampered_characters(token: str) -> list[str]:
    """Return the token with each character replaced by every other one and some invalid ones."""
    others = ALPHABET + "+/=.\n \x00\u00e9\uff21"
    return [
        token[:place] + other + token[place + 1 :]
        for place in range(len(token))
        for other in others
        if other != token[place]
    ]


def truncated(token: str) -> list[str]:
    original = token_bytes(token)
    ends = [token[:length] for length in range(len(token))]
    starts = [token[length:] for length in range(1, len(token) + 1)]
    shorter = [token_text(original[:length]) for length in range(len(original))]
    holes = [
        token_text(original[:place] + original[place + 1 :])
        for place in range(len(original))
        if original[:place] + original[place + 1 :] != original
    ]
    return ends + starts + shorter + holes


def extended(token: str) -> list[str]:
    original = token_bytes(token)
    longer = [token_text(original + bytes([byte])) for byte in range(256)]
    inserted = [
        token_text(original[:place] + b"\x00" + original[place:]) for place in range(len(original))
    ]
    return longer + inserted + [token + character for character in ALPHABET] + [token + token]


def reencoded(token: str) -> list[str]:
    """Return texts that Python's base64 decodes to the same bytes, or that look alike."""
    body, padding = token.removeprefix("sr3."), "=" * (-(len(token) - 4) % 4)
    texts = [
        token + padding,
        token + "=",
        token + "\n",
        " " + token,
        token.replace("sr3.", "SR2."),
        token.replace("sr3.", "sr2"),
        token.replace("sr3.", "sr1."),
        "sr3." + base64.b64encode(token_bytes(token)).decode().rstrip("="),
        body,
    ]
    texts += [token[:place] + "\n" + token[place:] for place in range(len(token))]
    last = ALPHABET.index(token[-1])
    texts += [token[:-1] + ALPHABET[other] for other in range(64) if other != last]
    return [text for text in texts if text != token]


@pytest.mark.parametrize(
    ("damage", "at_least"),
    [
        (tampered_bits, 900),
        (tampered_characters, 10_000),
        (truncated, 400),
        (extended, 400),
        (reencoded, 200),
    ],
)
def test_damaged_token_is_rejected(
    cipher: FieldCipher, damage: Callable[[str], list[str]], at_least: int
) -> None:
    token = encrypt(cipher, "sand", {"user_id": 7})
    forgeries = damage(token)
    assert len(forgeries) >= at_least
    for forgery in forgeries:
        with pytest.raises(DecryptionFailed):
            cipher.decrypt_field(forgery, {"user_id": 7})


def parts(token: str) -> list[bytes]:
    """Split a token into its eight parts.

    They are version, type, wrapped length, wrapped key, commitment, nonce, ciphertext and tag.
    """
    whole = token_bytes(token)
    start = 4 + int.from_bytes(whole[2:4], "big")
    cuts = [0, 1, 2, 4, start, start + 32, start + 44, len(whole) - 16, len(whole)]
    return [whole[one:other] for one, other in itertools.pairwise(cuts)]


def test_mixture_of_two_tokens_is_rejected(service: KeyService) -> None:
    """Try all 254 mixtures of the parts of two tokens under different data keys."""
    cipher, other = FieldCipher(service, STORE), FieldCipher(service, STORE)
    mine, theirs = parts(encrypt(cipher, "sand")), parts(encrypt(other, b"dune"))
    opened = []
    for choice in range(256):
        mixture = [(mine, theirs)[choice >> index & 1][index] for index in range(len(mine))]
        try:
            opened.append(cipher.decrypt_field(token_text(b"".join(mixture))))
        except DecryptionFailed:
            continue
    # Version and wrapped length are equal in both, so four mixtures are equal to each token.
    assert opened.count("sand") == opened.count(b"dune") == 4
    assert len(opened) == 8


@pytest.mark.parametrize("length", [0, 69, 1024, 1025, 0x7FFF, 0xFFFF], ids=str)
def test_token_with_a_false_wrapped_length_is_rejected_without_a_request(
    service: KeyService, cipher: FieldCipher, length: int
) -> None:
    whole = token_bytes(encrypt(cipher, "sand"))
    with pytest.raises(DecryptionFailed):
        cipher.decrypt_field(token_text(whole[:2] + length.to_bytes(2, "big") + whole[4:]))
    assert service.requests == [("wrap", 1)]


@pytest.mark.parametrize(
    "bomb",
    [
        "sr3." + "A" * 100_000_000,
        "sr3." + "A" * (4 * (value_codec.MAX_SIZE + 2000) // 3),
        "sr3." * 1_000_000,
        "sr3.AwEEAQ" + "A" * 10_000,
    ],
    ids=lambda bomb: f"{len(bomb)} characters",
)
def test_oversized_token_is_rejected_without_a_request(
    service: KeyService, cipher: FieldCipher, bomb: str
) -> None:
    with pytest.raises(DecryptionFailed):
        cipher.decrypt_field(bomb)
    assert service.requests == []


@pytest.mark.parametrize(
    "token", [b"sr3.AwEA", 7, ["sr3."], "", "x", "sr3.", "\ud800", "vault:v1:x"]
)
def test_malformed_token_is_rejected_like_a_forged_one(cipher: FieldCipher, token: Any) -> None:
    with pytest.raises(DecryptionFailed):
        cipher.decrypt_field(token)


def test_decryption_failures_have_the_same_message(cipher: FieldCipher) -> None:
    """Check that no reason, no library exception and no value appears in the traceback."""
    token = encrypt(cipher, "hunter2", {"user_id": 7})
    messages = set()
    for forgery, context in (
        ("", None),
        (token[:-4], {"user_id": 7}),
        (token, {"user_id": 8}),
        (tampered_bits(token)[8 * 8], {"user_id": 7}),
    ):
        with pytest.raises(DecryptionFailed) as caught:
            cipher.decrypt_field(forgery, context)
        shown = "".join(traceback.format_exception(caught.value))
        assert "InvalidTag" not in shown
        assert "hunter2" not in shown
        messages.add(str(caught.value))
    (message,) = messages
    assert message == (
        "the token is not authentic for this key and context, or a newer strongroom-sdk wrote it; "
        "pass those that it was encrypted with, or upgrade"
    )


def test_invalid_context_or_value_is_rejected_without_a_request(
    cipher: FieldCipher, service: KeyService
) -> None:
    unbound: Any = {"user_id": None}
    with pytest.raises(InvalidContext):
        cipher.encrypt_field("x", {})
    with pytest.raises(InvalidContext):
        cipher.decrypt_field("sr3.AwEA", unbound)
    with pytest.raises(EncryptionError):
        cipher.encrypt_field(1.5)
    assert service.requests == []


def test_cipher_shows_no_key_and_is_not_pickled(cipher: FieldCipher) -> None:
    cipher.encrypt_field("x")
    assert "AESGCM" not in repr(cipher)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(cipher)
