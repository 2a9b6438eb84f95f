"""Encryption of single fields: a value becomes a token, bound to a context."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from app_integration.encryption import binding as bindings
from app_integration.encryption import compact_token, envelope, quick, values
from app_integration.encryption import context as contexts
from app_integration.encryption.binding import Binding
from app_integration.encryption.bound_field import BoundField, Token
from app_integration.encryption.keyring import Carried, KeyName, Keyring, WrapScope
from app_integration.encryption.quick import EncryptField
from app_integration.encryption.refusal import refuse
from app_integration.encryption.writer import Background, in_a_thread
from app_integration.names import Scope
from app_integration.settings import Limits

if TYPE_CHECKING:
    from app_integration.encryption.context import Context
    from app_integration.encryption.data_keys import DataKeyStore
    from app_integration.encryption.key_services import KeyService


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


class FieldCipher:
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
        compact: whether it writes keyring tokens.
        keyring: the data keys that it holds.
        writer: the one that it writes with.
        unit: bytes of a value that counts as one message.
        clock, random: as given.
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
    ) -> None:
        """Args: *clock* in seconds, monotonic; *random* gives that many unpredictable bytes.

        *background* runs what makes a new data key ahead of the old one's end.
        """
        self.clock = clock
        self.random = random
        self.compact = data_keys is not None
        self.keyring = Keyring(
            key_service,
            wrap_scope(scope, key_name),
            data_keys,
            limits=limits or Limits(),
            clock=clock,
            random=random,
            background=background,
        )
        self.writer = self.keyring.numbered if self.compact else self.keyring.carried
        self.unit = min(self.writer.unit, values.MAX_SIZE)
        self.encrypt_field: EncryptField = quick.compiled(self)

    def field(self, field_id: str, context: Sequence[str] = (), kind: type = str) -> BoundField:
        """The declared field *field_id*, compiled: the quick way to many values of one column.

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
        return BoundField(self, Binding(field_id, context), kind)

    def encrypt_slowly(
        self, value: object, context: Context | None = None, *, field: str | None = None
    ) -> Token | None:
        """As :attr:`encrypt_field`, for any value and state of the keys."""
        if value is None:
            return None
        value_type, plaintext = values.encode(value)
        return self.seal(value_type, plaintext, bindings.encode(field, context))

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

    def seal(self, value_type: int, plaintext: bytes, binding: bytes) -> Token:
        """The token for a value and a binding that are bytes already."""
        key, nonce = self.writer.key(len(plaintext)), self.random(envelope.NONCE)
        if self.compact:
            return compact_token.seal(key, value_type, plaintext, binding, nonce)
        return envelope.seal(key, value_type, plaintext, binding, nonce)

    def open(self, token: Token, binding: bytes, value_type: int | None = None) -> Any:
        """The value in *token*; refused when it isn't of *value_type*."""
        name, code, nonce, sealed, additional = taken_apart(token, binding)
        if value_type not in (None, code):
            refuse()
        key = self.keyring.read_key(name).key
        return values.decode(code, key.open(nonce, sealed, additional))


def taken_apart(token: object, binding: bytes) -> tuple[KeyName, int, bytes, bytes, bytes]:
    """*token*'s name of its data key, type code, nonce, ciphertext, and what they authenticate.

    Raises:
        DecryptionFailed: not a token; or of version 2, which knew no declared fields, and one is
            in *binding*.
    """
    if isinstance(token, bytes | bytearray | memoryview):
        compact = compact_token.parse(bytes(token))
        additional = compact.header + binding
        return compact.number, compact.value_type, compact.nonce, compact.sealed, additional
    parts = envelope.parse(token)
    if parts.version == envelope.VERSION:
        additional = parts.authenticated() + binding
    elif binding.startswith(bindings.NO_FIELD):
        additional = parts.authenticated() + binding[len(bindings.NO_FIELD) :]
    else:
        refuse()
    name = Carried(parts.version, parts.wrapped, parts.commitment)
    return name, parts.value_type, parts.nonce, parts.sealed, additional
