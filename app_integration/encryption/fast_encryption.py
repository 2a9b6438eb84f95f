"""Compiled encryption: closures that keep all constants in local names.

They cover ``encrypt`` of a declared field, and ``encrypt_field`` for a value of a known type, a
context of one entry and a usable data key. Each is a single function, because an attribute lookup
costs as much as an addition, and a call a tenth of the encryption itself. Every other case takes
the slow path, which produces the same tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final, Protocol, TypeAlias

from app_integration.encryption.core import CipherCore, EncryptionState, FieldCore
from app_integration.encryption.keys.usage_limits import UsageLimits
from app_integration.encryption.parsed_token import Token
from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.encryption.tokens import envelope, keyring_token, value_codec
from app_integration.encryption.tokens.associated_data import ONE_ENTRY

Encrypt: TypeAlias = Callable[..., "Token | None"]

#: Raised on the fast path for a value that the slow path must encrypt, or reject with a message.
_FALLBACK: Final = (StopIteration, ValueError, TypeError, IndexError, RecursionError)
#: The same for ``encrypt_field``, whose value and context may be of any type.
_FALLBACK_ANY: Final = (StopIteration, LookupError, TypeError, ValueError, RecursionError)

#: The state before the first value. It has always expired, so the first call takes the slow path.
_NO_USAGE: Final = UsageLimits(messages=1, size=1, now=-inf, age=0)
_NO_KEY: Final[Any] = None
_NO_ENCRYPTION_STATE: Final[EncryptionState] = (_NO_USAGE, _NO_KEY, b"", b"", ())


def compile_encrypt(field: FieldCore) -> Encrypt:
    """Return ``encrypt`` for a declared field whose context has any number of entries."""
    kind, slow_path, entries = field.type, field.encrypt_on_slow_path, field.binding.entries
    clock, random, message_size = field.cipher.clock, field.cipher.random, field.cipher.message_size
    encode, state = value_codec.ENCODERS[kind][1], _NO_ENCRYPTION_STATE

    def encrypt(value: Any, *context: Any) -> Token | None:
        nonlocal state
        usage, seal, header, prefix, _ = state
        try:
            if type(value) is kind and clock() < usage.fast_path_until:
                plaintext = encode(value)
                if len(plaintext) <= message_size:
                    aad = prefix + entries(context)
                    usage.consume_one()
                    nonce = random(12)
                    return header + nonce + seal(nonce, plaintext, aad)
        except _FALLBACK:
            pass
        token = slow_path(value, *context)
        state = field.get_encryption_state() or state
        return token

    return encrypt


def compile_encrypt_one_entry(field: FieldCore) -> Encrypt:
    """Return ``encrypt`` for a declared field whose context has one entry.

    It encodes a non-negative integer in line, because most contexts are the id of a row.
    """
    kind, slow_path, message_size = (
        field.type,
        field.encrypt_on_slow_path,
        field.cipher.message_size,
    )
    clock, random, encode = field.cipher.clock, field.cipher.random, value_codec.ENCODERS[kind][1]
    (name,) = field.binding.names
    state = _NO_ENCRYPTION_STATE

    def encrypt(value: Any, bound: Any) -> Token | None:
        nonlocal state
        usage, seal, header, prefix, heads = state
        try:
            if type(value) is kind and clock() < usage.fast_path_until:
                plaintext = encode(value)
                if len(plaintext) <= message_size:
                    if type(bound) is int and bound >= 0:
                        size = (bound.bit_length() >> 3) + 1
                        aad = heads[size] + bound.to_bytes(size, "big")
                    else:
                        aad = prefix + contexts.encode_entry(name, bound)
                    usage.consume_one()
                    nonce = random(12)
                    return header + nonce + seal(nonce, plaintext, aad)
        except _FALLBACK:
            pass
        token = slow_path(value, bound)
        state = field.get_encryption_state() or state
        return token

    return encrypt


class EncryptField(Protocol):
    """Signature of ``FieldCipher.encrypt_field``."""

    def __call__(
        self, value: Any, context: Mapping[str, Any] | None = None, *, field: str | None = None
    ) -> Token | None:
        """Return the token for *value*, or None for None."""
        ...


def compile_encrypt_field(cipher: CipherCore) -> EncryptField:
    """Return ``encrypt_field`` for *cipher*."""
    active_key, clock, random, message_size = (
        cipher.active_key,
        cipher.clock,
        cipher.random,
        cipher.message_size,
    )
    slow_path, encoders, kinds = cipher.encrypt_on_slow_path, value_codec.ENCODERS, contexts.KINDS
    seal: Callable[..., Token] = (
        keyring_token.seal if cipher.writes_keyring_tokens else envelope.seal
    )

    def encrypt_field(
        value: Any, context: Mapping[str, Any] | None = None, *, field: str | None = None
    ) -> Token | None:
        current = active_key.current
        if current is not None and type(context) is dict and len(context) == 1 and field is None:
            try:
                code, encode = encoders[type(value)]
                plaintext = encode(value)
                (name,) = context
                bound = context[name]
                _, encode, known = kinds[type(bound)]
                bound = encode(bound)
                binding = ONE_ENTRY + known[name][len(bound)] + bound
                usage = current.usage
                if len(plaintext) <= message_size and clock() < usage.fast_path_until:
                    usage.consume_one()
                    return seal(current.key, code, plaintext, binding, random(12))
            except _FALLBACK_ANY:
                pass
        return slow_path(value, context, field=field)

    return encrypt_field
