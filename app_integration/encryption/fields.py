"""Encryption of single fields: a value becomes a text token, bound to a context."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from app_integration.encryption import context as contexts
from app_integration.encryption import envelope, values
from app_integration.encryption.keyring import Keyring
from app_integration.names import Scope
from app_integration.settings import Limits

if TYPE_CHECKING:
    from app_integration.encryption.context import Context
    from app_integration.encryption.key_services import KeyService


def wrap_scope(scope: Scope, key_name: str) -> bytes:
    """What a data key is bound to when it is wrapped.

    So a token that is moved to another service, environment or key never opens there.
    """
    return contexts.encode(
        {
            "use": "data key",
            "service": scope.service,
            "environment": scope.environment.value,
            "key": key_name,
        }
    )


class FieldCipher:
    """Encrypts and decrypts the fields of one service in one environment. Thread-safe.

    A token carries all that decryption needs but the key service and the context. It shows the
    value's type and length, and which tokens share a data key.
    """

    def __init__(
        self,
        key_service: KeyService,
        scope: Scope,
        key_name: str = "pii",
        *,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Args: *clock* in seconds, monotonic; *random* gives that many unpredictable bytes."""
        self._random = random
        self._keyring = Keyring(
            key_service,
            wrap_scope(scope, key_name),
            limits=limits or Limits(),
            clock=clock,
            random=random,
        )

    def encrypt_field(self, value: object, context: Context | None = None) -> str | None:
        """The token for *value*, which opens only under an equal *context*; None for None.

        Args:
            value: str, Secret, bytes, int, bool, Decimal, date, datetime, dict, list or UUID.
            context: what the token is bound to, such as ``{"user_id": 7}``.

        Raises:
            EncryptionError: a value or a context that can't be encrypted or bound.
            KeyUnavailable: no data key is held within its bounds and none can be had now.
            AccessDenied: this identity may not wrap data keys.
        """
        if value is None:
            return None
        value_type, plaintext = values.encode(value)
        bound = contexts.encode(context)
        key = self._keyring.write_key(len(plaintext))
        return key.seal(value_type, plaintext, bound, self._random(envelope.NONCE))

    def decrypt_field(self, token: str | None, context: Context | None = None) -> object:
        """The value that *token* was made from, as its own type; None for None.

        Raises:
            DecryptionFailed: not a token, changed, or of another context, service or environment.
            InvalidContext: a *context* that nothing can have been bound to.
            KeyUnavailable: the data key isn't held and can't be unwrapped now.
            AccessDenied: this identity may not unwrap data keys.
        """
        if token is None:
            return None
        bound = contexts.encode(context)
        parts = envelope.parse(token)
        key = self._keyring.read_key(parts.wrapped, parts.commitment)
        return values.decode(parts.value_type, key.open(parts, bound))
