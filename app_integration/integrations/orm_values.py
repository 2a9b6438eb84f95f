"""What mapped objects and their columns hold: tokens as bytes, and values that were decrypted."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from app_integration.encryption.core import Token
from app_integration.encryption.tokens import envelope, keyring_token
from app_integration.errors import DecryptionFailed, EncryptionError

#: Every text token begins so, and no keyring token does.
_TEXT: Final = b"sr"
_PLACE: Final = "_strongroom_plain"


class Known(NamedTuple):
    """A value, with the token it was read from and what that was bound to; None: no token yet."""

    value: Any
    token: Token | None = None
    binding: tuple[Any, ...] = ()


class KnownValues(dict[str, Known]):
    """What is known of an object's encrypted attributes, by name.

    It is left behind when the object that has it is pickled or copied.
    """

    def __reduce__(self) -> tuple[type[KnownValues], tuple[()]]:
        return KnownValues, ()

    def __repr__(self) -> str:
        return f"<{len(self)} values>"


def known_values(row: Any) -> KnownValues:
    """What is known of *row*; kept in its ``__dict__``."""
    values: KnownValues = row.__dict__.setdefault(_PLACE, KnownValues())
    return values


def token_bytes(token: object) -> bytes:
    """*token* as a column of bytes keeps it.

    Raises:
        EncryptionError: it isn't a token. So a plaintext that is written past the mapped class by
            mistake is an error, not a leak.

    """
    try:
        if isinstance(token, str):
            envelope.parse(token)
            return token.encode("ascii")
        if isinstance(token, bytes | bytearray | memoryview):
            keyring_token.parse(bytes(token))
            return bytes(token)
    except DecryptionFailed:
        pass
    raise EncryptionError(
        "what is written into an encrypted column isn't a token; assign to the encrypted attribute "
        "of a mapped object, and save that"
    )


def token_of(stored: bytes) -> Token:
    """The token that :func:`token_bytes` made *stored* of."""
    return stored.decode("ascii", "replace") if stored.startswith(_TEXT) else stored
