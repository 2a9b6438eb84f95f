"""Self-contained token: packing and parsing of its bytes.

A token is ``sr3.`` (formerly ``sr2.``) and, in base64url without padding::

    version 0x03 | value type u8 | wrapped length u16 | wrapped data key | commitment 32
    | nonce 12 | ciphertext | tag 16

Integers are big-endian. AES-256-GCM authenticates this associated data::

    version 3:  label length u8 | label | version | value type | commitment | binding
    version 2:  label length u8 | label | everything up to the nonce | context

Version 3 leaves out the wrapped data key, because the key service authenticates it and the
commitment ties it to the key. So the key can be rewrapped without changing the ciphertext. Version
2 stays readable and is no longer written.

A text that does not re-encode to itself is rejected. Base64 decoders accept several encodings of
the same bytes, and if a token had two encodings, a second, unequal token could be forged from it.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from typing import Final, NamedTuple

from app_integration.encryption.keys.data_key import (
    MAX_WRAPPED,
    TEXT_PURPOSES,
    TEXT_VERSION,
    DataKey,
)
from app_integration.encryption.tokens import value_codec
from app_integration.errors import raise_decryption_failed

VERSION: Final = TEXT_VERSION
LABEL: Final = b"strongroom field"

COMMITMENT: Final = 32  # bytes
NONCE: Final = 12  # bytes
TAG: Final = 16  # bytes

_FIXED: Final = 4  # bytes before the wrapped data key
_SMALLEST: Final = _FIXED + 1 + COMMITMENT + NONCE + TAG
_LARGEST: Final = _FIXED + MAX_WRAPPED + COMMITMENT + NONCE + value_codec.MAX_SIZE + TAG
_PREFIX: Final = 4  # characters
_MAX_TEXT: Final = _PREFIX + (_LARGEST * 4 + 2) // 3
_PREFIXES: Final = {f"sr{version}.": version for version in TEXT_PURPOSES}
_LABEL_PART: Final = bytes((len(LABEL),)) + LABEL
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
#: Characters of the standard alphabet become one that base64 never contains, so they are rejected.
FROM_URL: Final = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING: Final = (b"", b"===", b"==", b"=")
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#: Length of a base64 text modulo 4 → the characters that it may end with, and the padding after
#: them. The last of 2 characters has 4 bits that belong to no byte, the last of 3 has 2; they are 0
#: in the canonical encoding. No text has a length of 1.
PADDING_AFTER: Final[tuple[dict[int, bytes], ...]] = (
    dict.fromkeys(_ALPHABET, b""),
    {},
    dict.fromkeys(_ALPHABET[::16], b"=="),
    dict.fromkeys(_ALPHABET[::4], b"="),
)


class Envelope(NamedTuple):
    """Unauthenticated parts of a token."""

    version: int
    value_type: int
    wrapped: bytes
    commitment: bytes
    nonce: bytes
    sealed: bytes  # ciphertext and tag

    def get_associated_data(self) -> bytes:
        """Return the associated data up to the binding."""
        if self.version == VERSION:
            return _LABEL_PART + bytes((VERSION, self.value_type)) + self.commitment
        return _LABEL_PART + self.header()

    def header(self) -> bytes:
        """Return the token's bytes up to the nonce."""
        length = len(self.wrapped).to_bytes(2, "big")
        return bytes((self.version, self.value_type)) + length + self.wrapped + self.commitment

    def with_wrapped_key(self, wrapped: bytes) -> str:
        """Return the token, of version 3, with *wrapped* in place of its wrapped data key."""
        changed = self._replace(wrapped=wrapped)
        return f"sr{self.version}." + _to_text(changed.header() + self.nonce + self.sealed)


def seal(key: DataKey, value_type: int, plaintext: bytes, binding: bytes, nonce: bytes) -> str:
    """Encrypt *plaintext* and return the token. *nonce* is 12 bytes that *key* never used."""
    authenticated, text, rest = key.frames.get(value_type) or make_frame(key, value_type)
    raw = rest + nonce + key.encrypt(nonce, plaintext, authenticated + binding)
    # This is _to_text in line, to save a call. rstrip removes the line end with the padding.
    return text + b2a_base64(raw).translate(_TO_URL).rstrip(b"=\n").decode()


def make_frame(key: DataKey, value_type: int) -> tuple[bytes, str, bytes]:
    """Compute and cache the parts that all tokens of one data key and type share.

    They are the associated data up to the binding, the first characters of the text, and the bytes
    that come next: three bytes make four characters, so whole triples are encoded once.
    """
    shape = Envelope(VERSION, value_type, key.wrapped, key.commitment, b"", b"")
    header = shape.header()
    whole = len(header) - len(header) % 3
    text = f"sr{VERSION}." + _to_text(header[:whole])
    frame = key.frames[value_type] = (shape.get_associated_data(), text, header[whole:])
    return frame


def parse(token: object) -> Envelope:
    """Split *token* into its parts, without authenticating anything.

    Raises:
        DecryptionFailed: If *token* is not a token of these versions, or its encoding is not the
            canonical one.

    """
    version, raw = _from_text(token)
    start = _FIXED + int.from_bytes(raw[2:_FIXED], "big")
    nonce = start + COMMITMENT
    sealed = nonce + NONCE
    if (
        raw[0] != version
        or raw[1] not in value_codec.DECODERS
        or not _FIXED < start <= _FIXED + MAX_WRAPPED
        or not TAG <= len(raw) - sealed <= value_codec.MAX_SIZE + TAG
    ):
        raise_decryption_failed()
    return Envelope(
        version, raw[1], raw[_FIXED:start], raw[start:nonce], raw[nonce:sealed], raw[sealed:]
    )


def decode_part(text: str) -> bytes:
    """Return the bytes of *text*, which begins at a fourth character after a token's prefix.

    Raises ValueError or LookupError unless *text* is the canonical encoding of some bytes.
    """
    standard = text.encode().translate(FROM_URL)
    padding = PADDING_AFTER[len(standard) & 3][standard[-1]]
    return a2b_base64(standard + padding, strict_mode=True)


def _to_text(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=").decode()


def _from_text(token: object) -> tuple[int, bytes]:
    """Return the version and the bytes of *token*.

    Its length is checked before any memory is allocated for the bytes.
    """
    if not isinstance(token, str) or len(token) > _MAX_TEXT or token[:_PREFIX] not in _PREFIXES:
        raise_decryption_failed()
    try:
        text = token[_PREFIX:].encode("ascii").translate(FROM_URL)
        text += _PADDING[len(text) % 4]
        raw = a2b_base64(text)
    except ValueError:
        raise_decryption_failed()
    if len(raw) < _SMALLEST or b2a_base64(raw, newline=False) != text:
        raise_decryption_failed()
    return _PREFIXES[token[:_PREFIX]], raw
