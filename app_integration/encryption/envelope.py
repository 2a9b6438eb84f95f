"""The self-contained token: packing and unpacking of bytes, nothing else.

A token is ``sr2.`` and, in base64url without padding::

    version 0x02 | value type u8 | wrapped length u16 | wrapped data key | commitment 32
    | nonce 12 | ciphertext | tag 16

Integers are big-endian. Everything up to the nonce is the *header*; AES-256-GCM authenticates
``label length u8 | label | header | context`` beside the ciphertext. Version 0x01 is reserved for
the keyring layout ``0x01 | data key id u32 | nonce 12 | ciphertext | tag 16``.

A text that doesn't re-encode to itself is refused: base64 decoders accept several spellings of the
same bytes, and a token that has two spellings can be forged into a second, unequal one.
"""

from __future__ import annotations

import binascii
from typing import Final, NamedTuple

from app_integration.encryption import values
from app_integration.encryption.refusal import refuse

PREFIX: Final = "sr2."
VERSION: Final = 2
LABEL: Final = b"strongroom field"

COMMITMENT: Final = 32  # bytes
NONCE: Final = 12  # bytes
TAG: Final = 16  # bytes
MAX_WRAPPED: Final = 1024  # bytes of one wrapped data key

_FIXED: Final = 4  # bytes before the wrapped data key
_SMALLEST: Final = _FIXED + 1 + COMMITMENT + NONCE + TAG
_LARGEST: Final = _FIXED + MAX_WRAPPED + COMMITMENT + NONCE + values.MAX_SIZE + TAG
_MAX_TEXT: Final = len(PREFIX) + (_LARGEST * 4 + 2) // 3
_LABEL_PART: Final = bytes((len(LABEL),)) + LABEL
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
#: What belongs to the other alphabet becomes a character that no base64 contains.
_FROM_URL: Final = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING: Final = (b"", b"===", b"==", b"=")


class Envelope(NamedTuple):
    """A token taken apart; nothing in it has been authenticated yet."""

    value_type: int
    wrapped: bytes
    commitment: bytes
    nonce: bytes
    sealed: bytes  # ciphertext and tag
    header: bytes

    def authenticated(self, context: bytes) -> bytes:
        """What AES-GCM authenticates beside the ciphertext."""
        return _LABEL_PART + self.header + context


class Frame:
    """The part that all tokens of one data key and value type share, encoded once."""

    __slots__ = ("_rest", "_text", "authenticated")

    def __init__(self, value_type: int, wrapped: bytes, commitment: bytes) -> None:
        """Args: *wrapped* has 1 to :data:`MAX_WRAPPED` bytes, *commitment* 32."""
        header = b"%c%c%c%c" % (VERSION, value_type, len(wrapped) >> 8, len(wrapped) & 0xFF)
        header += wrapped + commitment
        # Three bytes make four characters, so whole triples can be encoded ahead of the rest.
        whole = len(header) - len(header) % 3
        #: What AES-GCM authenticates, up to the context.
        self.authenticated = _LABEL_PART + header
        self._text = PREFIX + _to_text(header[:whole])
        self._rest = header[whole:]

    def token(self, nonce: bytes, sealed: bytes) -> str:
        """The token with *nonce* and *sealed*, which is ciphertext and tag."""
        return self._text + _to_text(self._rest + nonce + sealed)


def parse(token: object) -> Envelope:
    """*token* taken apart.

    Raises:
        DecryptionFailed: not a token of this version, or not in its one spelling.
    """
    raw = _from_text(token)
    start = _FIXED + int.from_bytes(raw[2:_FIXED], "big")
    nonce = start + COMMITMENT
    sealed = nonce + NONCE
    if (
        raw[0] != VERSION
        or raw[1] not in values.DECODERS
        or not _FIXED < start <= _FIXED + MAX_WRAPPED
        or not TAG <= len(raw) - sealed <= values.MAX_SIZE + TAG
    ):
        refuse()
    return Envelope(
        raw[1], raw[_FIXED:start], raw[start:nonce], raw[nonce:sealed], raw[sealed:], raw[:nonce]
    )


def _to_text(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def _from_text(token: object) -> bytes:
    """The bytes of *token*, whose length is bounded before anything is allocated for them."""
    if not isinstance(token, str) or len(token) > _MAX_TEXT or not token.startswith(PREFIX):
        refuse()
    try:
        text = token[len(PREFIX) :].encode("ascii").translate(_FROM_URL)
        text += _PADDING[len(text) % 4]
        raw = binascii.a2b_base64(text)
    except ValueError:
        refuse()
    if len(raw) < _SMALLEST or binascii.b2a_base64(raw, newline=False) != text:
        refuse()
    return raw
