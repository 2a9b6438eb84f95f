"""One declared field, compiled: what is known ahead isn't worked out for each value."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from app_integration.encryption import columns, compact_token, frames, quick_field, values
from app_integration.encryption.batch import Batch
from app_integration.encryption.binding import Binding
from app_integration.encryption.quick_field import Decrypt, Encrypt, Opening, Sealing
from app_integration.errors import EncryptionError
from app_integration.secret import Secret

if TYPE_CHECKING:
    from app_integration.encryption.fields import FieldCipher


Token: TypeAlias = str | bytes

#: What a field may be declared to hold → its type code. JSON is a dict or a list.
FIELD_TYPES: Final[dict[type, int]] = {
    kind: code for kind, (code, _) in values.ENCODERS.items() if kind is not Secret
}


class BoundField:
    """Encrypts and decrypts the values of one declared field. Made by ``FieldCipher.field``.

    A token is bound to the field's id, its declared type, and a context whose names are declared
    and whose values come with each call, in the same order. Thread-safe.

    >>> email = cipher.field("users.email", context=["user_id"])    # doctest: +SKIP
    >>> token = email.encrypt("ada@example.com", 7)                 # doctest: +SKIP
    >>> email.decrypt(token, 7)                                     # doctest: +SKIP
    'ada@example.com'

    Attributes:
        binding: the field's id and its context's names.
        type: the declared type.
        code: its code in tokens.
        encrypt: ``encrypt(value, *context)``: the token, bytes or text as the cipher writes them;
            None for None. Raises as ``FieldCipher.encrypt_field`` does.
        decrypt: ``decrypt(token, *context)``: the value; None for None. It reads both kinds of
            token. Raises as ``FieldCipher.decrypt_field`` does.
    """

    def __init__(self, cipher: FieldCipher, binding: Binding, kind: type) -> None:
        """Args: *kind* is what every value of the field is: one of :data:`FIELD_TYPES`.

        Raises:
            EncryptionError: another type.
        """
        if kind not in FIELD_TYPES:
            raise EncryptionError(
                f"{binding.field}: type {kind!r}; use one of "
                + ", ".join(each.__name__ for each in FIELD_TYPES)
            )
        self.cipher = cipher
        self.binding = binding
        self.type = kind
        self.code = FIELD_TYPES[kind]
        self.encrypt: Encrypt = self.encrypt_slowly
        self.decrypt: Decrypt = quick_field.compiled_decrypt(self)
        if cipher.compact:
            self.encrypt = quick_field.compiled_encrypt(self)
        if len(binding.names) == 1:
            self.decrypt = quick_field.decrypt_of_one(self)
            if cipher.compact:
                self.encrypt = quick_field.encrypt_of_one(self)

    def encrypt_slowly(self, value: object, *context: object) -> Token | None:
        """As :attr:`encrypt`, for any value and state of the keys."""
        if value is None:
            return None
        plaintext = self.plaintext(value)
        binding = self.binding.start + self.binding.entries(context)
        return self.cipher.seal(self.code, plaintext, binding)

    def decrypt_slowly(self, token: Token | None, *context: object) -> Any:
        """As :attr:`decrypt`, for any token and state of the keys."""
        if token is None:
            return None
        binding = self.binding.start + self.binding.entries(context)
        return self.cipher.open(token, binding, self.code)

    def encrypt_many(self, items: Sequence[Any], *context: Sequence[Any]) -> list[Token | None]:
        """The token of each item, in order; None for None.

        Args:
            items: values of the declared type.
            context: for each name of the context a sequence with its value for each item.

        Raises:
            EncryptionError: an item that can't be encrypted or bound; the message tells which.
        """
        return columns.encrypt(self, items, context)

    def decrypt_many(self, tokens: Sequence[Any], *context: Sequence[Any]) -> Batch[Any]:
        """What became of each token; a bad one doesn't spoil the rest. Arguments as before.

        Raises:
            InvalidContext: a context that nothing can have been bound to.
            KeyUnavailable: a data key isn't held and can't be unwrapped now.
        """
        return columns.decrypt(self, tokens, context)

    def encrypt_column(self, items: Any, *context: Any) -> Any:
        """As :meth:`encrypt_many`, for a list or a column of NumPy, pandas, Polars or Arrow.

        What comes back is of the same kind, and so are nulls; context columns may be of any kind.
        """
        taken, rebuild = frames.taken(items)
        return rebuild(self.encrypt_many(taken, *map(frames.values, context)))

    def decrypt_column(self, tokens: Any, *context: Any) -> Any:
        """The values of a column of tokens, of the same kind as it.

        Raises:
            BatchFailed: some aren't authentic; it tells which. :meth:`decrypt_many` gives the rest.
            KeyUnavailable: a data key isn't held and can't be unwrapped now.
        """
        taken, rebuild = frames.taken(tokens)
        return rebuild(self.decrypt_many(taken, *map(frames.values, context)).values())

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

    def plaintext(self, value: object) -> bytes:
        """*value* as bytes.

        Raises:
            EncryptionError: not of the declared type, or it can't be encrypted.
        """
        code, encoded = values.encode(value)
        if code != self.code:
            raise EncryptionError(
                f"{self.binding.field}: a value of type {type(value).__name__}; "
                f"the field is declared as {self.type.__name__}"
            )
        return encoded

    def header(self, number: int) -> bytes:
        """What the field's tokens under data key *number* begin with."""
        return compact_token.header(self.code, number)

    def sealing(self) -> Sealing | None:
        """What to encrypt with from now on; None while there is no data key."""
        current = self.cipher.keyring.numbered.current
        if current is None:
            return None
        header = self.header(current.key.number)
        return (current.budget, current.key.encrypt, header, *self.binding.prefixes(header))

    def opening(self, token: Token | None) -> Opening | None:
        """What to decrypt with from now on: the key of *token*, which was just opened."""
        if not isinstance(token, bytes):
            return None
        parts = compact_token.parse(token)
        held = self.cipher.keyring.read_key(parts.number)
        prefixes = self.binding.prefixes(parts.header)
        return (held, held.key.decrypt, parts.header, *prefixes)
