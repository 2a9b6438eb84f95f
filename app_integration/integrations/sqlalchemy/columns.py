"""The two types of column: tokens, and values of a blind index."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator

from app_integration.encryption.core import Token
from app_integration.integrations.orm_values import token_bytes, token_of


class TokenType(TypeDecorator[Any]):
    """A token as bytes; both kinds have room beside each other, anything else is refused."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:  # noqa: ARG002 (SQLAlchemy's signature)
        """*value* as the database takes it; EncryptionError when it isn't a token."""
        return None if value is None else token_bytes(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Token | None:  # noqa: ARG002 (as above)
        """The token: text or bytes, as it was written."""
        return None if value is None else token_of(bytes(value))


class IndexType(TypeDecorator[bytes]):
    """The values of a blind index."""

    impl = LargeBinary
    cache_ok = True
