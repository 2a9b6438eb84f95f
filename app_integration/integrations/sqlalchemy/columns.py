"""Column types for encrypted tokens and for blind index values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.types import TypeDecorator

from app_integration.encryption.parsed_token import Token
from app_integration.errors import EncryptionError
from app_integration.integrations.orm_values import TEXT_PREFIX, token_from_bytes, token_to_bytes


class PlaintextRejected(EncryptionError, DontWrapMixin):
    """A plaintext for a column of tokens.

    SQLAlchemy does not wrap it, because its own error would show the parameters of the statement.
    """


class TokenType(TypeDecorator[Any]):
    """Column type of encrypted tokens, which are stored as bytes.

    Text tokens and keyring tokens may share a column. Any other value raises EncryptionError.
    """

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:  # noqa: ARG002 (SQLAlchemy's signature)
        """Return a token as bytes for the database."""
        try:
            return None if value is None else token_to_bytes(value)
        except EncryptionError as error:
            raise PlaintextRejected(str(error)) from None

    def process_result_value(self, value: Any, dialect: Dialect) -> Token | None:  # noqa: ARG002 (as above)
        """Return the token from the database as text or bytes, as it was written."""
        return None if value is None else token_from_bytes(bytes(value))

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return the function that turns a column value into a token.

        A keyring token that the driver returns as bytes is complete, so it needs no further call.
        """
        convert: Any = super().result_processor(dialect, coltype)

        def process(value: Any) -> Any:
            if value is None or (type(value) is bytes and value[:2] != TEXT_PREFIX):
                return value
            return convert(value)

        return process


class IndexType(TypeDecorator[bytes]):
    """Column type of blind index values."""

    impl = LargeBinary
    cache_ok = True
