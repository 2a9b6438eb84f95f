"""``encrypt`` and ``decrypt`` of a declared field, compiled: with what is constant in local names.

An attribute costs as much as a sum, a call a tenth of what encryption itself takes. What isn't the
common case goes the slow way, which also finds the words for what is wrong; both make the same
tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from app_integration.encryption import context as contexts
from app_integration.encryption import values
from app_integration.encryption.budget import Budget
from app_integration.encryption.read_keys import Held
from app_integration.errors import raise_decryption_failed

if TYPE_CHECKING:
    from app_integration.encryption.bound_field import BoundField, Token

Encrypt: TypeAlias = Callable[..., "Token | None"]
Decrypt: TypeAlias = Callable[..., Any]
_Cipher: TypeAlias = Callable[[bytes, bytes, bytes], bytes]

#: Raised on the quick way by what the slow way does, or refuses in words.
_SLOWLY: Final = (StopIteration, ValueError, TypeError, IndexError, RecursionError)


#: What a field's next values are encrypted with, all that one data key makes constant: its budget,
#: its cipher, the header of each token, and what each authenticates up to the context's entries, or
#: up to the one whole number of so many bytes. A plain tuple: a named one is slow to take apart.
Sealing: TypeAlias = tuple[Budget, _Cipher, bytes, bytes, tuple[bytes, ...]]
#: The same for decryption, under the data key that was used last.
Opening: TypeAlias = tuple[Held, _Cipher, bytes, bytes, tuple[bytes, ...]]

#: Before the first value: whatever is looked up there says that it is over.
_NO_BUDGET: Final = Budget(messages=1, size=1, now=-inf, age=0)
_NO_KEY: Final[Any] = None
_NO_SEALING: Final[Sealing] = (_NO_BUDGET, _NO_KEY, b"", b"", ())
_NO_OPENING: Final[Opening] = (Held(_NO_KEY, -inf), _NO_KEY, b"", b"", ())


def compiled_encrypt(field: BoundField) -> Encrypt:
    """``encrypt`` for a context of any number of entries."""
    kind, slowly, entries = field.type, field.encrypt_slowly, field.binding.entries
    clock, random, unit = field.cipher.clock, field.cipher.random, field.cipher.unit
    encode, sealing = values.ENCODERS[kind][1], _NO_SEALING

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


def compiled_decrypt(field: BoundField) -> Decrypt:
    """``decrypt`` in the same manner."""
    clock, slowly, decode = field.cipher.clock, field.decrypt_slowly, values.DECODERS[field.code]
    entries, opening = field.binding.entries, _NO_OPENING

    def decrypt(token: Any, *context: Any) -> Any:
        nonlocal opening
        held, unseal, header, prefix, _ = opening
        if type(token) is bytes and token[:5] == header and clock() < held.expires:
            additional = prefix + entries(context)
            try:
                return decode(unseal(token[5:17], token[17:], additional))
            except values.UNREADABLE:
                raise_decryption_failed()
        value = slowly(token, *context)
        opening = field.opening(token) or opening
        return value

    return decrypt


def encrypt_of_one(field: BoundField) -> Encrypt:
    """``encrypt`` for a context of one entry; whole numbers of an id are encoded in line."""
    kind, slowly, unit = field.type, field.encrypt_slowly, field.cipher.unit
    clock, random, encode = field.cipher.clock, field.cipher.random, values.ENCODERS[kind][1]
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


def decrypt_of_one(field: BoundField) -> Decrypt:
    """``decrypt`` in the same manner."""
    clock, slowly, decode = field.cipher.clock, field.decrypt_slowly, values.DECODERS[field.code]
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
            except values.UNREADABLE:
                raise_decryption_failed()
        value = slowly(token, bound)
        opening = field.opening(token) or opening
        return value

    return decrypt
