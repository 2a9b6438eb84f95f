"""Encryption in one frame, compiled: with what is constant in local names.

``encrypt`` and ``decrypt`` of a declared field, and ``encrypt_field`` for a value of a known type,
a context of one entry and a data key that is held. An attribute costs as much as a sum, a call a
tenth of what encryption itself takes. What isn't the common case takes the slow path, which
also finds the words for what is wrong; both make the same tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final, Protocol, TypeAlias

from app_integration.encryption.core import CipherCore, FieldCore, Opening, Sealing, Token
from app_integration.encryption.keys.cache import CachedKey
from app_integration.encryption.keys.usage_limits import UsageLimits
from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.encryption.tokens import envelope, keyring_token, value_codec
from app_integration.encryption.tokens.associated_data import NO_FIELD
from app_integration.errors import raise_decryption_failed

Encrypt: TypeAlias = Callable[..., "Token | None"]
Decrypt: TypeAlias = Callable[..., Any]

#: Raised on the fast path by what the slow path does, or refuses in words.
_SLOWLY: Final = (StopIteration, ValueError, TypeError, IndexError, RecursionError)
#: The same for a value and a context of any type.
_SLOW_ANY: Final = (StopIteration, LookupError, TypeError, ValueError, RecursionError)
_ONE: Final = NO_FIELD + b"\x01"  # no declared field, one entry

#: Before the first value: whatever is looked up there says that it is over.
_NO_BUDGET: Final = UsageLimits(messages=1, size=1, now=-inf, age=0)
_NO_KEY: Final[Any] = None
_NO_SEALING: Final[Sealing] = (_NO_BUDGET, _NO_KEY, b"", b"", ())
_NO_OPENING: Final[Opening] = (CachedKey(_NO_KEY, -inf), _NO_KEY, b"", b"", ())


def compiled_encrypt(field: FieldCore) -> Encrypt:
    """``encrypt`` for a context of any number of entries."""
    kind, slowly, entries = field.type, field.encrypt_slowly, field.binding.entries
    clock, random, unit = field.cipher.clock, field.cipher.random, field.cipher.unit
    encode, sealing = value_codec.ENCODERS[kind][1], _NO_SEALING

    def encrypt(value: Any, *context: Any) -> Token | None:
        nonlocal sealing
        budget, seal, header, prefix, _ = sealing
        try:
            if type(value) is kind and clock() < budget.renew:
                plaintext = encode(value)
                if len(plaintext) <= unit:
                    additional = prefix + entries(context)
                    budget.take()
                    nonce = random(12)
                    return header + nonce + seal(nonce, plaintext, additional)
        except _SLOWLY:
            pass
        token = slowly(value, *context)
        sealing = field.sealing() or sealing
        return token

    return encrypt


def compiled_decrypt(field: FieldCore) -> Decrypt:
    """``decrypt`` in the same manner."""
    clock, slowly, decode = (
        field.cipher.clock,
        field.decrypt_slowly,
        value_codec.DECODERS[field.code],
    )
    entries, opening = field.binding.entries, _NO_OPENING

    def decrypt(token: Any, *context: Any) -> Any:
        nonlocal opening
        held, unseal, header, prefix, _ = opening
        if type(token) is bytes and token[:5] == header and clock() < held.expires:
            additional = prefix + entries(context)
            try:
                return decode(unseal(token[5:17], token[17:], additional))
            except value_codec.UNREADABLE:
                raise_decryption_failed()
        value = slowly(token, *context)
        opening = field.opening(token) or opening
        return value

    return decrypt


def encrypt_of_one(field: FieldCore) -> Encrypt:
    """``encrypt`` for a context of one entry; whole numbers of an id are encoded in line."""
    kind, slowly, unit = field.type, field.encrypt_slowly, field.cipher.unit
    clock, random, encode = field.cipher.clock, field.cipher.random, value_codec.ENCODERS[kind][1]
    (name,) = field.binding.names
    sealing = _NO_SEALING

    def encrypt(value: Any, bound: Any) -> Token | None:
        nonlocal sealing
        budget, seal, header, prefix, heads = sealing
        try:
            if type(value) is kind and clock() < budget.renew:
                plaintext = encode(value)
                if len(plaintext) <= unit:
                    if type(bound) is int and bound >= 0:
                        size = (bound.bit_length() >> 3) + 1
                        additional = heads[size] + bound.to_bytes(size, "big")
                    else:
                        additional = prefix + contexts.entry(name, bound)
                    budget.take()
                    nonce = random(12)
                    return header + nonce + seal(nonce, plaintext, additional)
        except _SLOWLY:
            pass
        token = slowly(value, bound)
        sealing = field.sealing() or sealing
        return token

    return encrypt


def decrypt_of_one(field: FieldCore) -> Decrypt:
    """``decrypt`` in the same manner."""
    clock, slowly, decode = (
        field.cipher.clock,
        field.decrypt_slowly,
        value_codec.DECODERS[field.code],
    )
    (name,) = field.binding.names
    opening = _NO_OPENING

    def decrypt(token: Any, bound: Any) -> Any:
        nonlocal opening
        held, unseal, header, prefix, heads = opening
        if type(token) is bytes and token[:5] == header and clock() < held.expires:
            try:
                if type(bound) is int and bound >= 0:
                    size = (bound.bit_length() >> 3) + 1
                    additional = heads[size] + bound.to_bytes(size, "big")
                else:
                    additional = prefix + contexts.entry(name, bound)
                return decode(unseal(token[5:17], token[17:], additional))
            except IndexError:
                pass  # a number of more than 8 bytes
            except value_codec.UNREADABLE:
                raise_decryption_failed()
        value = slowly(token, bound)
        opening = field.opening(token) or opening
        return value

    return decrypt


class EncryptField(Protocol):
    """The signature of ``FieldCipher.encrypt_field``."""

    def __call__(
        self, value: Any, context: Mapping[str, Any] | None = None, *, field: str | None = None
    ) -> Token | None:
        """The token for *value*."""
        ...


def compiled_encrypt_field(cipher: CipherCore) -> EncryptField:
    """``encrypt_field`` of *cipher*."""
    writer, clock, random, unit = cipher.writer, cipher.clock, cipher.random, cipher.unit
    slowly, encoders, kinds = cipher.encrypt_slowly, value_codec.ENCODERS, contexts.KINDS
    seal: Callable[..., Token] = keyring_token.seal if cipher.compact else envelope.seal

    def encrypt_field(
        value: Any, context: Mapping[str, Any] | None = None, *, field: str | None = None
    ) -> Token | None:
        current = writer.current
        if current is not None and type(context) is dict and len(context) == 1 and field is None:
            try:
                code, encode = encoders[type(value)]
                plaintext = encode(value)
                (name,) = context
                bound = context[name]
                _, encode, known = kinds[type(bound)]
                bound = encode(bound)
                binding = _ONE + known[name][len(bound)] + bound
                budget = current.budget
                if len(plaintext) <= unit and clock() < budget.renew:
                    budget.take()
                    return seal(current.key, code, plaintext, binding, random(12))
            except _SLOW_ANY:
                pass
        return slowly(value, context, field=field)

    return encrypt_field
