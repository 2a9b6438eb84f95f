"""One declared field, whose tokens' constants are computed once instead of for each value."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from app_integration._internal.tracing import span
from app_integration.encryption import bulk, dataframes, fast_decryption, fast_encryption
from app_integration.encryption.batch import Batch
from app_integration.encryption.core import CipherCore, FieldCore
from app_integration.encryption.fast_decryption import Decrypt
from app_integration.encryption.fast_encryption import Encrypt
from app_integration.encryption.parsed_token import Token
from app_integration.encryption.tokens.associated_data import Binding


class DeclaredField(FieldCore):
    """Encryption and decryption of one declared field's values, built by ``FieldCipher.field``.

    A token is bound to the field's id, its declared type, and a context. The context's names are
    declared; its values are passed with each call, in the same order. Thread-safe.

    >>> email = cipher.field("users.email", context=["user_id"])    # doctest: +SKIP
    >>> token = email.encrypt("ada@example.com", 7)                 # doctest: +SKIP
    >>> email.decrypt(token, 7)                                     # doctest: +SKIP
    'ada@example.com'

    Attributes:
        encrypt: ``encrypt(value, *context)`` returns the token, bytes or text as the cipher writes
            them, or None for None. It raises what ``FieldCipher.encrypt_field`` raises.
        decrypt: ``decrypt(token, *context)`` returns the value, or None for None. It reads both
            kinds of token. It raises what ``FieldCipher.decrypt_field`` raises.

    """

    def __init__(self, cipher: CipherCore, binding: Binding, kind: type) -> None:
        """Compile a declared field."""
        super().__init__(cipher, binding, kind)
        self.encrypt: Encrypt = self.encrypt_on_slow_path
        self.decrypt: Decrypt = fast_decryption.compile_decrypt(self)
        if cipher.writes_keyring_tokens:
            self.encrypt = fast_encryption.compile_encrypt(self)
        if len(binding.names) == 1:
            self.decrypt = fast_decryption.compile_decrypt_one_entry(self)
            if cipher.writes_keyring_tokens:
                self.encrypt = fast_encryption.compile_encrypt_one_entry(self)

    def encrypt_many(self, items: Sequence[Any], *context: Sequence[Any]) -> list[Token | None]:
        """Encrypt each item and return the tokens, in order; the token of None is None.

        Args:
            items: Values of the declared type.
            *context: For each name of the context, a sequence with its value for each item.

        Raises:
            EncryptionError: If an item cannot be encrypted or bound. The message names it by its
                index.

        """
        with span("encrypt_fields", field=self.binding.field, values=len(items)):
            return bulk.encrypt(self, items, context)

    def decrypt_many(self, tokens: Sequence[Any], *context: Sequence[Any]) -> Batch[Any]:
        """Decrypt each token; a token that is not authentic does not fail the others.

        Args:
            tokens: Tokens of this field.
            *context: For each name of the context, a sequence with its value for each token.

        Returns:
            The values, and the indices of the tokens that failed.

        Raises:
            InvalidContext: If a context value is of a type or size that cannot be bound.
            KeyUnavailable: If a data key is not cached and cannot be unwrapped now.

        """
        with span("decrypt_fields", field=self.binding.field, values=len(tokens)):
            return bulk.decrypt(self, tokens, context, self.decrypt)

    def encrypt_column(self, items: Any, *context: Any) -> Any:
        """Encrypt a list or a NumPy, pandas, Polars or Arrow column; return a column of tokens.

        The result is a column of the same library, and a null stays a null. See
        :meth:`encrypt_many` for the errors.

        Args:
            items: The column of values of the declared type.
            *context: For each name of the context, a column with its value for each item. It may be
                of another library than *items*.

        """
        column_values, rebuild = dataframes.unpack(items)
        return rebuild(self.encrypt_many(column_values, *map(dataframes.as_sequence, context)))

    def decrypt_column(self, tokens: Any, *context: Any) -> Any:
        """Decrypt a column of tokens, and return the values as a column of the same library.

        Args:
            tokens: The column of tokens of this field.
            *context: For each name of the context, a column with its value for each token.

        Raises:
            BatchFailed: If some tokens are not authentic. The error names them;
                :meth:`decrypt_many` returns the values of the others.
            KeyUnavailable: If a data key is not cached and cannot be unwrapped now.

        """
        column_values, rebuild = dataframes.unpack(tokens)
        return rebuild(
            self.decrypt_many(column_values, *map(dataframes.as_sequence, context)).values()
        )

    async def aencrypt(self, value: object, *context: object) -> Token | None:
        """Encrypt *value* without blocking the event loop. See :attr:`encrypt`.

        The call runs in a thread only if no usable data key is cached, because it then sends a
        request.

        Args:
            value: The value to encrypt, of the declared type.
            *context: One value for each name of the context, in the declared order.

        """
        if self.cipher.active_key.has_usable_key:
            return self.encrypt(value, *context)
        return await asyncio.to_thread(self.encrypt, value, *context)

    async def adecrypt(self, token: Token | None, *context: object) -> Any:
        """Decrypt *token* without blocking the event loop. See :attr:`decrypt`.

        The call runs in a thread only if the token's data key is not cached, because it then sends
        a request.

        Args:
            token: The token to decrypt, text or bytes.
            *context: One value for each name of the context, in the declared order.

        """
        if self.cipher.has_cached_key(token):
            return self.decrypt(token, *context)
        return await asyncio.to_thread(self.decrypt, token, *context)

    async def aencrypt_many(self, items: Sequence[Any], *context: Sequence[Any]) -> list[Any]:
        """Encrypt each item in a thread. See :meth:`encrypt_many`."""
        return await asyncio.to_thread(self.encrypt_many, items, *context)

    async def adecrypt_many(self, tokens: Sequence[Any], *context: Sequence[Any]) -> Batch[Any]:
        """Decrypt each token in a thread. See :meth:`decrypt_many`."""
        return await asyncio.to_thread(self.decrypt_many, tokens, *context)
