"""One declared field, compiled: what is known ahead isn't worked out for each value."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from app_integration.encryption import bulk, dataframes, fast_path
from app_integration.encryption.batch import Batch
from app_integration.encryption.core import CipherCore, FieldCore, Token
from app_integration.encryption.fast_path import Decrypt, Encrypt
from app_integration.encryption.tokens.associated_data import Binding


class DeclaredField(FieldCore):
    """Encrypts and decrypts the values of one declared field. Made by ``FieldCipher.field``.

    A token is bound to the field's id, its declared type, and a context whose names are declared
    and whose values come with each call, in the same order. Thread-safe.

    >>> email = cipher.field("users.email", context=["user_id"])    # doctest: +SKIP
    >>> token = email.encrypt("ada@example.com", 7)                 # doctest: +SKIP
    >>> email.decrypt(token, 7)                                     # doctest: +SKIP
    'ada@example.com'

    Attributes:
        encrypt: ``encrypt(value, *context)``: the token, bytes or text as the cipher writes them;
            None for None. Raises as ``FieldCipher.encrypt_field`` does.
        decrypt: ``decrypt(token, *context)``: the value; None for None. It reads both kinds of
            token. Raises as ``FieldCipher.decrypt_field`` does.

    """

    def __init__(self, cipher: CipherCore, binding: Binding, kind: type) -> None:
        """Args: *kind* is what every value of the field is: one of ``core.FIELD_TYPES``.

        Raises:
            EncryptionError: another type.

        """
        super().__init__(cipher, binding, kind)
        self.encrypt: Encrypt = self.encrypt_slowly
        self.decrypt: Decrypt = fast_path.compiled_decrypt(self)
        if cipher.compact:
            self.encrypt = fast_path.compiled_encrypt(self)
        if len(binding.names) == 1:
            self.decrypt = fast_path.decrypt_of_one(self)
            if cipher.compact:
                self.encrypt = fast_path.encrypt_of_one(self)

    def encrypt_many(self, items: Sequence[Any], *context: Sequence[Any]) -> list[Token | None]:
        """The token of each item, in order; None for None.

        Args:
            items: values of the declared type.
            context: for each name of the context a sequence with its value for each item.

        Raises:
            EncryptionError: an item that can't be encrypted or bound; the message tells which.

        """
        return bulk.encrypt(self, items, context)

    def decrypt_many(self, tokens: Sequence[Any], *context: Sequence[Any]) -> Batch[Any]:
        """What became of each token; a bad one doesn't spoil the rest. Arguments as before.

        Raises:
            InvalidContext: a context that nothing can have been bound to.
            KeyUnavailable: a data key isn't held and can't be unwrapped now.

        """
        return bulk.decrypt(self, tokens, context)

    def encrypt_column(self, items: Any, *context: Any) -> Any:
        """As :meth:`encrypt_many`, for a list or a column of NumPy, pandas, Polars or Arrow.

        What comes back is of the same kind, and so are nulls; context columns may be of any kind.
        """
        taken, rebuild = dataframes.taken(items)
        return rebuild(self.encrypt_many(taken, *map(dataframes.values, context)))

    def decrypt_column(self, tokens: Any, *context: Any) -> Any:
        """The values of a column of tokens, of the same kind as it.

        Raises:
            BatchFailed: some aren't authentic; it tells which. :meth:`decrypt_many` gives the rest.
            KeyUnavailable: a data key isn't held and can't be unwrapped now.

        """
        taken, rebuild = dataframes.taken(tokens)
        return rebuild(self.decrypt_many(taken, *map(dataframes.values, context)).values())

    async def aencrypt(self, value: object, *context: object) -> Token | None:
        """As :attr:`encrypt`; a request is sent from a thread, and only when one is needed."""
        if self.cipher.writer.warm:
            return self.encrypt(value, *context)
        return await asyncio.to_thread(self.encrypt, value, *context)

    async def adecrypt(self, token: Token | None, *context: object) -> Any:
        """As :attr:`decrypt`, in the same manner."""
        if self.cipher.holds_key_of(token):
            return self.decrypt(token, *context)
        return await asyncio.to_thread(self.decrypt, token, *context)

    async def aencrypt_many(self, items: Sequence[Any], *context: Sequence[Any]) -> list[Any]:
        """As :meth:`encrypt_many`, in a thread."""
        return await asyncio.to_thread(self.encrypt_many, items, *context)

    async def adecrypt_many(self, tokens: Sequence[Any], *context: Sequence[Any]) -> Batch[Any]:
        """As :meth:`decrypt_many`, in a thread."""
        return await asyncio.to_thread(self.decrypt_many, tokens, *context)
