"""Encryption of single fields: a value becomes a token that is bound to a context."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from app_integration._internal.tracing import span
from app_integration.encryption import fast_decryption, fast_encryption
from app_integration.encryption.batch import Batch
from app_integration.encryption.core import CipherCore
from app_integration.encryption.declared_field import DeclaredField
from app_integration.encryption.fast_decryption import DecryptField
from app_integration.encryption.fast_encryption import EncryptField
from app_integration.encryption.keys.active_key import (
    Background,
    Report,
    report_nothing,
    run_in_thread,
)
from app_integration.encryption.keys.keyring import Keyring
from app_integration.encryption.keys.wrapped_data_key import WrapScope
from app_integration.encryption.parsed_token import Token, parse_token_or_none
from app_integration.encryption.rewrap import RewrapAction, Rewrapper
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
    """Return the scope that the data keys of *key_name* are bound to when they are wrapped.

    It makes a token that was copied to another service, environment or key fail to decrypt there.
    """
    return WrapScope(_bind("data key", scope, key_name), _owner(scope, key_name))


def branch_scope(scope: Scope, key_name: str) -> WrapScope:
    """Return the scope of the branch keys that wrap data keys of *key_name*."""
    return WrapScope(_bind("branch key", scope, key_name), f"{_owner(scope, key_name)}/branch")


def _owner(scope: Scope, key_name: str) -> str:
    return f"{scope.service}/{scope.environment.value}/{key_name}"


def _bind(use: str, scope: Scope, key_name: str) -> bytes:
    return contexts.encode(
        {
            "use": use,
            "service": scope.service,
            "environment": scope.environment.value,
            "key": key_name,
        }
    )


class FieldCipher(CipherCore):
    """Encryption and decryption of the fields of one service in one environment. Thread-safe.

    Without *data_keys* it writes self-contained tokens, as text. Such a token carries its wrapped
    data key, so decryption needs only the key service and the context besides. With *data_keys* it
    writes keyring tokens, as bytes, and stores the wrapped data keys there. It reads both kinds. A
    token reveals the value's type and length, and which tokens share a data key.

    Attributes:
        encrypt_field: ``encrypt_field(value, context=None, *, field=None)`` returns the token for
            *value*, or None for None. The token decrypts only under an equal *context*. *value* is
            a str, Secret, bytes, int, bool, Decimal, date, datetime, dict, list or UUID; *context*
            is a mapping such as ``{"user_id": 7}``; *field* is the id of the declared field that
            the token is bound to. It raises ``EncryptionError`` if the value or context cannot be
            encrypted or bound, ``KeyUnavailable`` if there is no data key within its limits and
            none can be wrapped, and ``AccessDenied`` if this identity may not wrap data keys.
        decrypt_field: ``decrypt_field(token, context=None, *, field=None)`` returns the value that
            *token*, text or bytes, was made from, as its own type, or None for None. *context* and
            *field* are those that the value was encrypted with. It raises ``DecryptionFailed`` if
            *token* is not a token, was altered, or belongs to another context, service or
            environment, ``InvalidContext`` if *context* contains a value of a type or size that
            cannot be bound, ``KeyUnavailable`` if the data key is not cached and cannot be
            unwrapped now, and ``AccessDenied`` if this identity may not unwrap data keys.
        rewrapper: Moves tokens to a new version of the wrapping key.

    """

    def __init__(
        self,
        key_service: KeyService,
        scope: Scope,
        key_name: str = "pii",
        *,
        data_keys: DataKeyStore | None = None,
        self_contained: bool = False,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[int], bytes] = os.urandom,
        background: Background = run_in_thread,
        report: Report = report_nothing,
    ) -> None:
        """Create the cipher for one key of one scope. No request is sent yet.

        Args:
            key_service: Wraps and unwraps the data keys.
            scope: The service and the environment.
            key_name: The short name of the wrapping key.
            data_keys: The store of wrapped data keys; None writes self-contained tokens.
            self_contained: Whether to write self-contained tokens although there is a store, from
                which keyring tokens are read.
            limits: The limits of each data key; None uses the defaults.
            clock: Returns monotonic seconds.
            random: Returns that many unpredictable bytes.
            background: Runs the function that generates a data key before the current one expires.
            report: Receives the outcome of each check that the stored data key still exists:
                ``ok``, ``KeyLost``, or the name of the error.

        Raises:
            ConfigurationError: If the data key limits are out of range.

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
            branch_scope=branch_scope(scope, key_name),
        )
        super().__init__(
            keyring,
            writes_keyring_tokens=data_keys is not None and not self_contained,
            clock=clock,
            random=random,
        )
        self.rewrapper = Rewrapper(self)
        self.encrypt_field: EncryptField = fast_encryption.compile_encrypt_field(self)
        self.decrypt_field: DecryptField = fast_decryption.compile_decrypt_field(self)

    def field(self, field_id: str, context: Sequence[str] = (), kind: type = str) -> DeclaredField:
        """Return the declared field *field_id*, the fast path for many values of one column.

        Args:
            field_id: The id that each token is bound to, such as ``"users.email"``. Choose it once,
                and keep it when a table, column or class is renamed.
            context: The names of what else each token is bound to; their values are passed with
                each call.
            kind: The type of every value.

        Raises:
            InvalidName: If *field_id* is not a valid field id.
            InvalidContext: If *context* contains a name that a context cannot have.
            EncryptionError: If *kind* is not a type that a field can be declared with.

        """
        return DeclaredField(self, Binding(field_id, context), kind)

    def encrypt_many(self, items: Sequence[tuple[Any, Context | None]]) -> list[Token | None]:
        """Encrypt each (value, context) and return the tokens, in order.

        For values of one column, :meth:`field` and its ``encrypt_many`` are faster. See
        :attr:`encrypt_field` for the errors.
        """
        with span("encrypt_fields", values=len(items)):
            return [self.encrypt_field(value, context) for value, context in items]

    def decrypt_many(self, items: Sequence[tuple[Token | None, Context | None]]) -> Batch[Any]:
        """Decrypt each (token, context); a token that is not authentic does not fail the others.

        The data keys that are not cached are unwrapped together, in few requests.

        Returns:
            The values, and the indices of the tokens that failed.

        Raises:
            InvalidContext: If a context contains a value of a type or size that cannot be bound.
            KeyUnavailable: If a data key is not cached and cannot be unwrapped now.

        """
        with span("decrypt_fields", values=len(items)):
            return self._decrypt_many(items)

    def _decrypt_many(self, items: Sequence[tuple[Token | None, Context | None]]) -> Batch[Any]:
        parsed_tokens = [
            parse_token_or_none(token, bindings.encode(None, context)) for token, context in items
        ]
        keys = self.keyring.read_keys(parsed.name for parsed in parsed_tokens if parsed is not None)
        results: list[Any] = [None] * len(parsed_tokens)
        failed = []
        for at, parsed in enumerate(parsed_tokens):
            key = None if parsed is None else keys.get(parsed.name)
            try:
                if parsed is not None and key is not None:
                    results[at] = parsed.decrypt(key)
            except DecryptionFailed:
                pass
            if results[at] is None and items[at][0] is not None:
                failed.append(at)
        return Batch(results, tuple(failed), "decrypting fields")

    async def aencrypt_field(
        self, value: object, context: Context | None = None, *, field: str | None = None
    ) -> Token | None:
        """Encrypt *value* without blocking the event loop. See :attr:`encrypt_field`.

        The call runs in a thread only if no usable data key is cached, because it then sends a
        request.
        """
        if self.active_key.has_usable_key:
            return self.encrypt_field(value, context, field=field)
        return await asyncio.to_thread(self.encrypt_field, value, context, field=field)

    async def adecrypt_field(
        self, token: Token | None, context: Context | None = None, *, field: str | None = None
    ) -> Any:
        """Decrypt *token* without blocking the event loop. See :attr:`decrypt_field`.

        The call runs in a thread only if the token's data key is not cached, because it then sends
        a request.
        """
        if self.has_cached_key(token):
            return self.decrypt_field(token, context, field=field)
        return await asyncio.to_thread(self.decrypt_field, token, context, field=field)

    def needs_rewrap(self, token: Token) -> RewrapAction:
        """Return the action that *token* needs because the wrapping key was rotated; falsy if none.

        Raises:
            DecryptionFailed: If *token* is not a token, or its data key is not in the store.
            KeyUnavailable: If the key service or the store of data keys is unavailable.

        """
        return self.rewrapper.find_action(token)

    def rewrap(self, token: Token) -> Token:
        """Return *token* with its data key wrapped under the newest version of the wrapping key.

        Only the wrapped key is sent, never the value. A keyring token is returned unchanged,
        because :meth:`rewrap_data_keys` rewraps its key in the store.

        Raises:
            DecryptionFailed: If *token* is not a token, or its data key is not of this cipher.
            EncryptionError: If *token* is of version 2, which needs :meth:`reencrypt`.

        """
        return self.rewrapper.rewrap([token]).results[0] or raise_decryption_failed()

    def rewrap_many(self, tokens: Sequence[Token | None]) -> Batch[Token]:
        """Rewrap each token, and list the indices of those that failed. See :meth:`rewrap`."""
        return self.rewrapper.rewrap(tokens)

    def rewrap_data_keys(self) -> int:
        """Rewrap the stored data keys whose wrapping key version is outdated. No token changes.

        Returns:
            The number of keys that were rewrapped.

        Raises:
            KeyUnavailable: If the key service or the store is unavailable, or a key cannot be
                rewrapped.

        """
        return self.rewrapper.rewrap_data_keys()

    def reencrypt(
        self, token: Token | None, context: Context | None = None, *, field: str | None = None
    ) -> Token | None:
        """Decrypt *token* and encrypt its value under a new nonce and this process's data key.

        The new token is of the kind that this cipher writes. See :attr:`decrypt_field` and
        :attr:`encrypt_field` for the errors.
        """
        value = self.decrypt_field(token, context, field=field)
        return self.encrypt_field(value, context, field=field)
