"""State that a field cipher and its declared fields share, and the slow path of encryption.

The fast path, the bulk path and rewrapping depend on these two classes only. ``FieldCipher`` and
``DeclaredField``, which an application uses, extend them, so there is no import cycle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from app_integration.encryption.keys.cache import CachedKey
from app_integration.encryption.keys.keyring import Keyring
from app_integration.encryption.keys.usage_limits import UsageLimits
from app_integration.encryption.parsed_token import (
    ParsedToken,
    Token,
    parse_token,
    parse_token_or_none,
)
from app_integration.encryption.tokens import associated_data as bindings
from app_integration.encryption.tokens import envelope, keyring_token, value_codec
from app_integration.encryption.tokens.associated_data import Binding
from app_integration.errors import DecryptionFailed, EncryptionError, raise_decryption_failed
from app_integration.secret import Secret

if TYPE_CHECKING:
    from app_integration.encryption.tokens.encryption_context import Context

_Cipher: TypeAlias = Callable[[bytes, bytes, bytes], bytes]

#: Type that a field may be declared with → its type code. JSON is a dict or a list.
FIELD_TYPES: Final[dict[type, int]] = {
    kind: code for kind, (code, _) in value_codec.ENCODERS.items() if kind is not Secret
}

#: The constants for encrypting a field's values under one data key: the key's usage limits, its
#: cipher, the token header, the associated data up to the context's entries, and the associated
#: data up to a single integer entry, indexed by that integer's length in bytes. It is a plain tuple
#: because unpacking a named one is slower.
EncryptionState: TypeAlias = tuple[UsageLimits, _Cipher, bytes, bytes, tuple[bytes, ...]]
#: The same constants for decryption, under the data key that was used last.
DecryptionState: TypeAlias = tuple[CachedKey, _Cipher, bytes, bytes, tuple[bytes, ...]]


class CipherCore:
    """Keys of one cipher, and the slow path of its tokens.

    *message_size* is the bytes of plaintext that count as one message of a data key. *text_start*
    is the number of characters in the start of the self-contained token that the slow path
    decrypted last; other tokens rarely differ.
    """

    def __init__(
        self,
        keyring: Keyring,
        *,
        writes_keyring_tokens: bool,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        """Create the shared state of a cipher."""
        self.clock = clock
        self.random = random
        self.writes_keyring_tokens = writes_keyring_tokens
        self.keyring = keyring
        self.active_key = (
            keyring.keyring_keys if writes_keyring_tokens else keyring.self_contained_keys
        )
        self.message_size = min(self.active_key.message_size, value_codec.MAX_SIZE)
        self.text_start = 0

    def encrypt_on_slow_path(
        self, value: object, context: Context | None = None, *, field: str | None = None
    ) -> Token | None:
        """Return the token for *value*, or None for None.

        This path accepts every value and works in every state of the keys.
        """
        if value is None:
            return None
        value_type, plaintext = value_codec.encode(value)
        return self.seal(value_type, plaintext, bindings.encode(field, context))

    def decrypt_on_slow_path(
        self, token: Token | None, context: Context | None = None, *, field: str | None = None
    ) -> Any:
        """Return the value that *token* was made from, or None for None.

        This path accepts every token and works in every state of the keys.
        """
        if token is None:
            return None
        return self.open(token, bindings.encode(field, context))

    def has_cached_key(self, token: Token | None) -> bool:
        """Return whether *token* can be decrypted, or rejected, without a request."""
        parsed = parse_token_or_none(token, bindings.NO_FIELD)
        return parsed is None or self.keyring.is_cached(parsed.name)

    def seal(self, value_type: int, plaintext: bytes, binding: bytes) -> Token:
        """Encrypt a value and its binding, both already encoded, and return the token."""
        messages = self.active_key.count_messages(len(plaintext))
        key, nonce = self.active_key.reserve_messages(messages), self.random(envelope.NONCE)
        if self.writes_keyring_tokens:
            return keyring_token.seal(key, value_type, plaintext, binding, nonce)
        return envelope.seal(key, value_type, plaintext, binding, nonce)

    def open(self, token: Token, binding: bytes, value_type: int | None = None) -> Any:
        """Decrypt *token* and return its value. *value_type* None accepts every type."""
        parsed = parse_token(token, binding)
        if value_type not in (None, parsed.value_type):
            raise_decryption_failed()
        cached = self.keyring.read_key(parsed.name)
        value = parsed.decrypt(cached.key)
        if parsed.has_constants:
            self._provide_constants(parsed, cached)
        return value

    def _provide_constants(self, parsed: ParsedToken, cached: CachedKey) -> None:
        """Let the fast path decrypt other tokens like *parsed*, which is authentic."""
        start = cached.starts.get(parsed.value_type)
        if start is None:
            start, constants = parsed.make_constants(cached)
            self.keyring.put_constants(parsed.name, cached, parsed.value_type, start, constants)
        if isinstance(start, str):
            self.text_start = len(start)


class FieldCore:
    """Constants of one declared field, and the slow path of its tokens."""

    def __init__(self, cipher: CipherCore, binding: Binding, kind: type) -> None:
        """Create the shared state of a declared field."""
        if kind not in FIELD_TYPES:
            raise EncryptionError(
                f"{binding.field}: cannot be declared as {kind!r}; use one of "
                + ", ".join(each.__name__ for each in FIELD_TYPES)
            )
        self.cipher = cipher
        self.binding = binding
        self.type = kind
        self.code = FIELD_TYPES[kind]

    def encrypt_on_slow_path(self, value: object, *context: object) -> Token | None:
        """Return the token for *value*, or None for None.

        This path accepts every value and works in every state of the keys.
        """
        if value is None:
            return None
        plaintext = self.encode_value(value)
        binding = self.binding.start + self.binding.entries(context)
        return self.cipher.seal(self.code, plaintext, binding)

    def decrypt_on_slow_path(self, token: Token | None, *context: object) -> Any:
        """Return the value in *token*, or None for None.

        This path accepts every token and works in every state of the keys.
        """
        if token is None:
            return None
        binding = self.binding.start + self.binding.entries(context)
        try:
            return self.cipher.open(token, binding, self.code)
        except DecryptionFailed as error:  # its message is the same for every token
            error.add_note(f"The token was read as that of the field {self.binding.field}.")
            raise

    def encode_value(self, value: object) -> bytes:
        """Return *value* as bytes."""
        code, encoded = value_codec.encode(value)
        if code != self.code:
            raise EncryptionError(
                f"{self.binding.field}: cannot encrypt a value of type {type(value).__name__}; "
                f"pass {self.type.__name__}, as the field is declared"
            )
        return encoded

    def get_encryption_state(self) -> EncryptionState | None:
        """Return the constants to encrypt with from now on, or None if there is no data key yet."""
        current = self.cipher.keyring.keyring_keys.current
        if current is None:
            return None
        header = keyring_token.header(self.code, current.key.number)
        return (current.usage, current.key.encrypt, header, *self.binding.prefixes(header))

    def get_decryption_state(self, token: Token | None) -> DecryptionState | None:
        """Return the constants to decrypt with from now on, under the data key of *token*.

        The caller has just decrypted *token*, so its data key is usually cached. Returns None for a
        self-contained token, which has no fast path.
        """
        if not isinstance(token, bytes):
            return None
        parts = keyring_token.parse(token)
        cached = self.cipher.keyring.read_key(parts.number)
        prefixes = self.binding.prefixes(parts.header)
        return (cached, cached.key.decrypt, parts.header, *prefixes)
