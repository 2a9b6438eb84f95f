"""Encoding of a value as bytes with a type code, so that it is decoded as its own type.

====  ========  ================================================================
code  type      bytes
====  ========  ================================================================
1-5   str, bytes, int, bool, UUID: see :mod:`app_integration.encryption.tokens.scalar_codec`
6     Decimal   ASCII as Python prints it, exponent ``E``: ``-0.10``, ``1E+3``
7     date      ASCII ISO 8601, ``2026-01-31``
8     datetime  ASCII ISO 8601; with an offset when aware, without when naive
9     JSON      see :mod:`app_integration.encryption.tokens.json_codec`
====  ========  ================================================================

An aware datetime is decoded with its offset, but without the name of its zone. A
:class:`~app_integration.secret.Secret` is encrypted as its text and is decoded as a ``str``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag

from app_integration.encryption.tokens import json_codec, scalar_codec
from app_integration.errors import EncryptionError, raise_decryption_failed
from app_integration.secret import Secret

DECIMAL: Final = 6
DATE: Final = 7
DATETIME: Final = 8
JSON: Final = 9

#: The errors that decoders and AES-GCM raise for invalid bytes.
DECODING_ERRORS: Final = (InvalidTag, KeyError, ValueError, ArithmeticError, RecursionError)
MAX_SIZE: Final = 2**20  # bytes, encoded, because larger values belong in files

_Encoder: TypeAlias = Callable[[Any], bytes]
_Decoder: TypeAlias = Callable[[bytes], object]
_T = TypeVar("_T")


def encode(value: object) -> tuple[int, bytes]:
    """Return the type code of *value* and its bytes.

    Raises:
        EncryptionError: If *value* is of another type, is too large, or would not be decoded to an
            equal value.

    """
    try:
        code, encoder = ENCODERS[type(value)]
        encoded = encoder(value)
    except KeyError:
        raise EncryptionError(
            f"a value of type {type(value).__name__} cannot be encrypted; use exactly one of "
            + ", ".join(kind.__name__ for kind in ENCODERS)
        ) from None
    except (ValueError, TypeError, RecursionError):
        raise EncryptionError(
            f"this {type(value).__name__} cannot be encrypted, because it would not be decrypted "
            "to an equal value; pass no lone surrogate, NaN or infinity, no offset with a fraction "
            "of a second, and only JSON with text keys, with JSON types and within its bounds"
        ) from None
    if len(encoded) > MAX_SIZE:
        raise EncryptionError(
            f"a value of {len(encoded)} bytes cannot be encrypted; pass at most {MAX_SIZE}"
        )
    return code, encoded


def decode(code: int, encoded: bytes) -> object:
    """Return the value that :func:`encode` turned into *code* and *encoded*.

    Raises:
        DecryptionFailed: If no value has this encoding.

    """
    try:
        return DECODERS[code](encoded)
    except DECODING_ERRORS:
        raise_decryption_failed()


def _encode_secret(value: Secret) -> bytes:
    return value.reveal().encode()


def _encode_decimal(value: Decimal) -> bytes:
    if not value.is_finite():
        raise ValueError
    # upper(), because the caller's decimal context may print the exponent as "e".
    return str(value).upper().encode()


def _encode_date(value: date) -> bytes:
    return value.isoformat().encode()


def _encode_datetime(value: datetime) -> bytes:
    offset = value.utcoffset()
    # Python prints a fraction of a second in an offset, but cannot parse each that it prints.
    if offset is not None and offset.microseconds:
        raise ValueError
    return value.isoformat().encode()


def _decode_decimal(encoded: bytes) -> Decimal:
    return _check_canonical(Decimal(encoded.decode()), _encode_decimal, encoded)


def _decode_date(encoded: bytes) -> date:
    return _check_canonical(date.fromisoformat(encoded.decode()), _encode_date, encoded)


def _decode_datetime(encoded: bytes) -> datetime:
    return _check_canonical(datetime.fromisoformat(encoded.decode()), _encode_datetime, encoded)


def _check_canonical(value: _T, encoder: Callable[[_T], bytes], encoded: bytes) -> _T:
    """Return *value* if *encoded* is its only encoding.

    The parsers of the standard library accept other encodings as well, for example with digits
    and separators outside ASCII.

    """
    if encoder(value) != encoded:
        raise ValueError
    return value


#: Type → its code and the encoder of its values.
ENCODERS: Final[dict[type, tuple[int, _Encoder]]] = {
    str: (scalar_codec.TEXT, str.encode),
    Secret: (scalar_codec.TEXT, _encode_secret),
    bytes: (scalar_codec.BYTES, scalar_codec.encode_bytes),
    int: (scalar_codec.INTEGER, scalar_codec.encode_integer),
    bool: (scalar_codec.BOOLEAN, scalar_codec.encode_boolean),
    UUID: (scalar_codec.UNIQUE_ID, scalar_codec.encode_unique_id),
    Decimal: (DECIMAL, _encode_decimal),
    date: (DATE, _encode_date),
    datetime: (DATETIME, _encode_datetime),
    dict: (JSON, json_codec.encode),
    list: (JSON, json_codec.encode),
}

#: Type code → decoder, for every type that a token may contain.
DECODERS: Final[dict[int, _Decoder]] = {
    **scalar_codec.DECODERS,
    DECIMAL: _decode_decimal,
    DATE: _decode_date,
    DATETIME: _decode_datetime,
    JSON: json_codec.decode,
}
