"""Compiled decryption: closures that keep all constants in local names.

They cover ``decrypt`` of a declared field, and ``decrypt_field``, for tokens whose data key is
cached; the keyring has the constants for the start that all tokens of one data key and type share.
Each closure is a single function, because an attribute lookup costs as much as an addition, and a
call a tenth of the decryption itself. Whatever fails here is decided again on the slow path, so
that there is one place that rejects tokens.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final, Protocol, TypeAlias

from app_integration.encryption.core import CipherCore, DecryptionState, FieldCore
from app_integration.encryption.keys.cache import CachedKey
from app_integration.encryption.parsed_token import LARGEST, Token
from app_integration.encryption.tokens import associated_data as bindings
from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.encryption.tokens import envelope, keyring_token, value_codec
from app_integration.errors import raise_decryption_failed

Decrypt: TypeAlias = Callable[..., Any]

#: Raised on the fast path for a token that the slow path must decrypt, or reject.
_FALLBACK: Final = (*value_codec.DECODING_ERRORS, LookupError, TypeError)
#: Built once, because slicing with a literal builds a slice each time.
_NONCE: Final = slice(keyring_token.HEADER, keyring_token.NONCE_END)
_SEALED: Final = slice(keyring_token.NONCE_END, None)
#: Name, value and encoded entry of the last context whose value was an integer. The values of one
#: row have the same context, which is compared by identity.
_NO_MEMO: Final[tuple[object, object, bytes]] = (None, object(), b"")
#: Tokens of other data keys until a declared field's first choice is the key of the next one. The
#: constants of one key take a while to compute, and tokens of several keys may alternate.
_MISSES: Final = 64

_NO_KEY: Final[Any] = None
#: The state before the first token. Its key has expired, so the first call takes the slow path.
_NO_STATE: Final[DecryptionState] = (CachedKey(_NO_KEY, -inf), _NO_KEY, b"", b"", ())


class DecryptField(Protocol):
    """Signature of ``FieldCipher.decrypt_field``."""

    def __call__(
        self,
        token: Token | None,
        context: Mapping[str, Any] | None = None,
        *,
        field: str | None = None,
    ) -> Any:
        """Return the value of *token*, or None for None."""
        ...


def compile_decrypt_field(cipher: CipherCore) -> DecryptField:
    """Return ``decrypt_field`` for *cipher*. Tokens of the kind that it writes are the fastest."""
    slow_path = cipher.decrypt_on_slow_path
    if cipher.writes_keyring_tokens:
        return _compile_keyring_tokens(cipher, _compile_text_tokens(cipher, slow_path))
    return _compile_text_tokens(cipher, _compile_keyring_tokens(cipher, slow_path))


def _compile_text_tokens(cipher: CipherCore, other: DecryptField) -> DecryptField:
    """Return ``decrypt_field`` for text tokens, which calls *other* in every other case."""
    constants, clock = cipher.keyring.constants, cipher.clock
    padding_after, from_url = envelope.PADDING_AFTER, envelope.FROM_URL
    heads, memo = contexts.KINDS[int][2], _NO_MEMO

    def decrypt_field(token: Any, context: Any = None, *, field: str | None = None) -> Any:
        nonlocal memo
        try:
            if type(token) is str and len(token) <= LARGEST:
                size = cipher.text_start
                cached, unseal, decode, _, aad, one, layout = constants[token[:size]]
                before, start, nonce, sealed = layout
                text = token[size:].encode().translate(from_url)  # decode_part in line
                raw = a2b_base64(text + padding_after[len(text) & 3][text[-1]], strict_mode=True)
                if raw[start] == before and clock() < cached.expires_at:
                    if type(context) is dict and len(context) == 1 and field is None:
                        (name,) = context
                        bound, (last_name, last, entry) = context[name], memo
                        if bound is not last or name is not last_name:
                            if type(bound) is int and bound >= 0:
                                size = (bound.bit_length() >> 3) + 1
                                entry = heads[name][size] + bound.to_bytes(size, "big")
                                memo = name, bound, entry
                            else:
                                entry = contexts.encode_entry(name, bound)
                        aad = one + entry
                    else:
                        aad += bindings.encode(field, context)
                    cached.was_used = True
                    return decode(unseal(raw[nonce], raw[sealed], aad))
        except _FALLBACK:
            pass
        return other(token, context, field=field)

    return decrypt_field


def _compile_keyring_tokens(cipher: CipherCore, other: DecryptField) -> DecryptField:
    """Return ``decrypt_field`` for keyring tokens, which calls *other* in every other case."""
    constants, clock = cipher.keyring.constants, cipher.clock
    heads, memo = contexts.KINDS[int][2], _NO_MEMO

    def decrypt_field(token: Any, context: Any = None, *, field: str | None = None) -> Any:
        nonlocal memo
        try:
            if type(token) is bytes and len(token) <= LARGEST:
                cached, unseal, decode, _, aad, one, _ = constants[token[:5]]
                if clock() < cached.expires_at:
                    if type(context) is dict and len(context) == 1 and field is None:
                        (name,) = context
                        bound, (last_name, last, entry) = context[name], memo
                        if bound is not last or name is not last_name:
                            if type(bound) is int and bound >= 0:
                                size = (bound.bit_length() >> 3) + 1
                                entry = heads[name][size] + bound.to_bytes(size, "big")
                                memo = name, bound, entry
                            else:
                                entry = contexts.encode_entry(name, bound)
                        aad = one + entry
                    else:
                        aad += bindings.encode(field, context)
                    cached.was_used = True
                    return decode(unseal(token[_NONCE], token[_SEALED], aad))
        except _FALLBACK:
            pass
        return other(token, context, field=field)

    return decrypt_field


def compile_decrypt(field: FieldCore) -> Decrypt:
    """Return ``decrypt`` for a declared field whose context has any number of entries."""
    start, entries = field.binding.start, field.binding.entries
    other = _compile_any_key(field, lambda *context: start + entries(context))
    clock, decode = field.cipher.clock, value_codec.DECODERS[field.code]
    state, misses = _NO_STATE, 0

    def decrypt(token: Any, *context: Any) -> Any:
        nonlocal state, misses
        cached, unseal, header, prefix, _ = state
        if type(token) is bytes and token[:5] == header and clock() < cached.expires_at:
            aad = prefix + entries(context)
            try:
                return decode(unseal(token[5:17], token[17:], aad))
            except value_codec.DECODING_ERRORS:
                raise_decryption_failed()
        value = other(token, *context)
        if type(token) is bytes:
            if not misses:
                state = field.get_decryption_state(token) or state
            misses = (misses + 1) % _MISSES
        return value

    return decrypt


def compile_decrypt_one_entry(field: FieldCore) -> Decrypt:
    """Return ``decrypt`` for a declared field whose context has one entry.

    It encodes a non-negative integer in line, because most contexts are the id of a row.
    """
    other = _compile_any_key(field, _compile_binding(field))
    clock, decode = field.cipher.clock, value_codec.DECODERS[field.code]
    (name,) = field.binding.names
    state, misses = _NO_STATE, 0

    def decrypt(token: Any, bound: Any) -> Any:
        nonlocal state, misses
        cached, unseal, header, prefix, heads = state
        if type(token) is bytes and token[:5] == header and clock() < cached.expires_at:
            try:
                if type(bound) is int and bound >= 0:
                    size = (bound.bit_length() >> 3) + 1
                    aad = heads[size] + bound.to_bytes(size, "big")
                else:
                    aad = prefix + contexts.encode_entry(name, bound)
                return decode(unseal(token[5:17], token[17:], aad))
            except IndexError:
                pass  # because the number has more than 8 bytes; the slow path decrypts it
            except value_codec.DECODING_ERRORS:
                raise_decryption_failed()
        value = other(token, bound)
        if type(token) is bytes:
            if not misses:
                state = field.get_decryption_state(token) or state
            misses = (misses + 1) % _MISSES
        return value

    return decrypt


def _compile_binding(field: FieldCore) -> Callable[..., bytes]:
    """Return a function that encodes the binding of a field whose context has one entry."""
    start, heads = field.binding.prefixes(b"")
    (name,) = field.binding.names

    def bind(bound: Any) -> bytes:
        if type(bound) is int and bound >= 0:
            size = (bound.bit_length() >> 3) + 1
            return heads[size] + bound.to_bytes(size, "big")
        return start + contexts.encode_entry(name, bound)

    return bind


def _compile_any_key(field: FieldCore, bind: Callable[..., bytes]) -> Decrypt:
    """Return a function that decrypts the field's tokens of each cached key, text and bytes."""
    cipher, code, slow_path = field.cipher, field.code, field.decrypt_on_slow_path
    constants, clock = cipher.keyring.constants, cipher.clock
    padding_after, from_url = envelope.PADDING_AFTER, envelope.FROM_URL

    def decrypt(token: Any, *context: Any) -> Any:
        try:
            if type(token) is str and len(token) <= LARGEST:
                size = cipher.text_start
                cached, unseal, decode, found, aad, _, layout = constants[token[:size]]
                before, start, nonce, sealed = layout
                text = token[size:].encode().translate(from_url)  # decode_part in line
                raw = a2b_base64(text + padding_after[len(text) & 3][text[-1]], strict_mode=True)
                is_known = raw[start] == before
            elif type(token) is bytes and len(token) <= LARGEST:
                cached, unseal, decode, found, aad, _, _ = constants[token[:5]]
                raw, nonce, sealed, is_known = token, _NONCE, _SEALED, True
            else:
                return slow_path(token, *context)
            if is_known and found == code and clock() < cached.expires_at:
                cached.was_used = True
                return decode(unseal(raw[nonce], raw[sealed], aad + bind(*context)))
        except _FALLBACK:
            pass
        return slow_path(token, *context)

    return decrypt
