"""The two types of column: tokens, and values of a blind index."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator

from app_integration.encryption import compact_token, envelope
from app_integration.errors import DecryptionFailed, EncryptionError

#: Every text token begins so, and no keyring token does.
_TEXT: Final = b"sr"


class TokenType(TypeDecorator[Any]):
    """A token as bytes; both kinds have room beside each other. Anything else is refused.

    So a plaintext that is written past the mapped class by mistake is an error, not a leak.
    """

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:  # noqa: ARG002 (SQLAlchemy's signature)
        """*value* as the database takes it.

        Raises:
            EncryptionError: it isn't a token.
        """
        if value is None:
            return None
        try:
            if isinstance(value, str):
                envelope.parse(value)
                return value.encode("ascii")
            compact_token.parse(bytes(value))
        except (DecryptionFailed, TypeError):
            raise EncryptionError(
                "what is written into an encrypted column isn't a token; assign to the encrypted "
                "attribute of a mapped object, or use column_values()"
            ) from None
        return bytes(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | bytes | None:  # noqa: ARG002 (as above)
        """The token: text or bytes, as it was written."""
        if value is None:
            return None
        token = bytes(value)
        return token.decode("ascii", "replace") if token.startswith(_TEXT) else token


class IndexType(TypeDecorator[bytes]):
    """The values of a blind index."""

    impl = LargeBinary
    cache_ok = True
