"""Encryption of single fields: a value becomes a token, bound to a context."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from app_integration.encryption import fast_path
from app_integration.encryption.batch import Batch
from app_integration.encryption.core import CipherCore, Token, take_apart_if_token
from app_integration.encryption.declared_field import DeclaredField
from app_integration.encryption.fast_path import EncryptField
from app_integration.encryption.keys.active_key import Background, Report, in_a_thread, silent
from app_integration.encryption.keys.keyring import Keyring, WrapScope
from app_integration.encryption.rewrap import Due, Rewrapper
from app_integration.encryption.tokens import associated_data as bindings
from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.encryption.tokens.associated_data import Binding
from app_integration.errors import DecryptionFailed, raise_decryption_failed
from app_integration.names import Scope
from app_integration.settings import Limits

if TYPE_CHECKING:
    from app_integration.encryption.keys.services import KeyService
    from app_integration.encryption.keys.stores import DataKeyStore
    from app_integration.encryption.tokens.encryption_context import Context


def wrap_scope(scope: Scope, key_name: str) -> WrapScope:
    """What a data key is bound to when it is wrapped.

    So a token that is moved to another service, environment or key never opens there.
    """
    bound = contexts.encode(
        {
            "use": "data key",
            "service": scope.service,
            "environment": scope.environment.value,
            "key": key_name,
        }
    )
    return WrapScope(bound, f"{scope.service}/{scope.environment.value}/{key_name}")


class FieldCipher(CipherCore):
    """Encrypts and decrypts the fields of one service in one environment. Thread-safe.

    Without *data_keys* it writes text tokens, which carry all that decryption needs but the key
    service and the context. With *data_keys* it writes keyring tokens, bytes, whose wrapped data
    keys are kept there. It reads both. A token shows the value's type and length, and which tokens
    share a data key.

    Attributes:
        encrypt_field: ``encrypt_field(value, context=None, *, field=None)``: the token for *value*,
            which opens only under an equal *context*; None for None. *value* is a str, Secret,
            bytes, int, bool, Decimal, date, datetime, dict, list or UUID; *context* a mapping such
            as ``{"user_id": 7}``; *field* the id of a declared field, whose token it then is.
            It raises ``EncryptionError`` for a value or context that can't be encrypted or bound,
            ``KeyUnavailable`` when no data key is held within its bounds and none can be had,
            ``AccessDenied`` when this identity may not wrap data keys.
        rotation: what follows a rotation of the key that wraps.

    """

    def __init__(
        self,
        key_service: KeyService,
        scope: Scope,
        key_name: str = "pii",
        *,
        data_keys: DataKeyStore | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[int], bytes] = os.urandom,
        background: Background = in_a_thread,
        report: Report = silent,
    ) -> None:
        """Args: *clock* in seconds, monotonic; *random* gives that many unpredictable bytes.

        *background* runs what makes a new data key ahead of the old one's end. *report* is told how
        each look for the stored data key went: ``ok``, ``KeyLost``, or the error.
        """
        keyring = Keyring(
            key_service,
            wrap_scope(scope, key_name),
            data_keys,
            limits=limits or Limits(),
            clock=clock,
            random=random,
            background=background,
            report=report,
        )
        super().__init__(keyring, compact=data_keys is not None, clock=clock, random=random)
        self.rotation = Rewrapper(self)
        self.encrypt_field: EncryptField = fast_path.compiled_encrypt_field(self)

    def field(self, field_id: str, context: Sequence[str] = (), kind: type = str) -> DeclaredField:
        """The declared field *field_id*, compiled: the fast path to many values of one column.

        Args:
            field_id: bound to each token, so choose it once and keep it when a table, column or
                class is renamed: ``"users.email"``.
            context: the names of what else each token is bound to; values are given with each call.
            kind: the type of every value.

        Raises:
            InvalidName: *field_id* can't be one.
            InvalidContext: *context* can't be names of a context.
            EncryptionError: another *kind*.

        """
        return DeclaredField(self, Binding(field_id, context), kind)

    def decrypt_field(
        self, token: Token | None, context: Context | None = None, *, field: str | None = None
    ) -> Any:
        """The value that *token* was made from, as its own type; None for None.

        Raises:
            DecryptionFailed: not a token, changed, or of another context, service or environment.
            InvalidContext: a *context* that nothing can have been bound to.
            KeyUnavailable: the data key isn't held and can't be unwrapped now.
            AccessDenied: this identity may not unwrap data keys.

        """
        if token is None:
            return None
        return self.open(token, bindings.encode(field, context))

    def encrypt_many(self, items: Sequence[tuple[Any, Context | None]]) -> list[Token | None]:
        """The token of each (value, context), in order. Raises as :attr:`encrypt_field`.

        :meth:`field` and its ``encrypt_many`` are quicker for values of one column.
        """
        return [self.encrypt_field(value, context) for value, context in items]

    def decrypt_many(self, items: Sequence[tuple[Token | None, Context | None]]) -> Batch[Any]:
        """What became of each (token, context): unknown data keys come in few requests.

        A bad token doesn't spoil the rest: it is named by its index.

        Raises:
            InvalidContext: a context that nothing can have been bound to.
            KeyUnavailable: a data key isn't held and can't be unwrapped now.

        """
        parts = [
            take_apart_if_token(token, bindings.encode(None, context)) for token, context in items
        ]
        keys = self.keyring.read_keys(part.name for part in parts if part is not None)
        results: list[Any] = [None] * len(parts)
        failed = []
        for at, part in enumerate(parts):
            key = None if part is None else keys.get(part.name)
            try:
                if part is not None and key is not None:
                    results[at] = part.opened(key)
            except DecryptionFailed:
                pass
            if results[at] is None and items[at][0] is not None:
                failed.append(at)
        return Batch(results, tuple(failed), "decrypting fields")

    async def aencrypt_field(
        self, value: object, context: Context | None = None, *, field: str | None = None
    ) -> Token | None:
        """As :attr:`encrypt_field`; a request is sent from a thread, and only when needed."""
        if self.writer.warm:
            return self.encrypt_field(value, context, field=field)
        return await asyncio.to_thread(self.encrypt_field, value, context, field=field)

    async def adecrypt_field(
        self, token: Token | None, context: Context | None = None, *, field: str | None = None
    ) -> Any:
        """As :meth:`decrypt_field`, in the same manner."""
        if self.holds_key_of(token):
            return self.decrypt_field(token, context, field=field)
        return await asyncio.to_thread(self.decrypt_field, token, context, field=field)

    def needs_rewrap(self, token: Token) -> Due:
        """What *token* needs since the wrapping key was rotated; false when nothing.

        Raises:
            DecryptionFailed: not a token.
            KeyUnavailable: the key service or the store of data keys is away.

        """
        return self.rotation.due(token)

    def rewrap(self, token: Token) -> Token:
        """*token* with its data key wrapped anew; only the wrapped key travels.

        A keyring token comes back as it is: :meth:`rewrap_data_keys` sees to its key.

        Raises:
            DecryptionFailed: not a token, or its data key isn't this cipher's.
            EncryptionError: a token of version 2, which needs :meth:`reencrypt`.

        """
        return self.rotation.rewrap([token]).results[0] or raise_decryption_failed()

    def rewrap_many(self, tokens: Sequence[Token | None]) -> Batch[Token]:
        """What became of each token, as :meth:`rewrap` does it; a bad one is named."""
        return self.rotation.rewrap(tokens)

    def rewrap_data_keys(self) -> int:
        """Wrap all data keys of the keyring anew that are behind; how many. No token changes."""
        return self.rotation.rewrap_data_keys()

    def reencrypt(
        self, token: Token | None, context: Context | None = None, *, field: str | None = None
    ) -> Token | None:
        """The value under a new nonce and this process's data key, as this cipher writes tokens.

        It raises as decryption and encryption do.
        """
        value = self.decrypt_field(token, context, field=field)
        return self.encrypt_field(value, context, field=field)
