"""What a field cipher and its declared fields share: their state, and the slow path.

The fast path, the bulk path and rewrapping work on these two classes; the cipher and the declared
field extend them. So none of those needs to know the classes that an application holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from app_integration.encryption.keys.cache import CachedKey
from app_integration.encryption.keys.data_key import DataKey
from app_integration.encryption.keys.keyring import KeyName, Keyring, SelfContained
from app_integration.encryption.keys.usage_limits import UsageLimits
from app_integration.encryption.tokens import associated_data as bindings
from app_integration.encryption.tokens import envelope, keyring_token, value_codec
from app_integration.encryption.tokens.associated_data import Binding
from app_integration.errors import DecryptionFailed, EncryptionError, raise_decryption_failed
from app_integration.secret import Secret

if TYPE_CHECKING:
    from app_integration.encryption.tokens.encryption_context import Context

Token: TypeAlias = str | bytes
_Cipher: TypeAlias = Callable[[bytes, bytes, bytes], bytes]

#: What a field may be declared to hold → its type code. JSON is a dict or a list.
FIELD_TYPES: Final[dict[type, int]] = {
    kind: code for kind, (code, _) in value_codec.ENCODERS.items() if kind is not Secret
}

#: What a field's next values are encrypted with, all that one data key makes constant: its budget,
#: its cipher, the header of each token, and what each authenticates up to the context's entries, or
#: up to the one whole number of so many bytes. A plain tuple: a named one is slow to take apart.
Sealing: TypeAlias = tuple[UsageLimits, _Cipher, bytes, bytes, tuple[bytes, ...]]
#: The same for decryption, under the data key that was used last.
Opening: TypeAlias = tuple[CachedKey, _Cipher, bytes, bytes, tuple[bytes, ...]]


class CipherCore:
    """The keys of one cipher, and the slow path of its tokens.

    Attributes:
        compact: whether it writes keyring tokens.
        keyring: the data keys that it holds.
        writer: the one that it writes with.
        unit: bytes of a value that counts as one message.
        clock, random: as given.

    """

    def __init__(
        self,
        keyring: Keyring,
        *,
        compact: bool,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        """Args: *clock* in seconds, monotonic; *random* gives that many unpredictable bytes."""
        self.clock = clock
        self.random = random
        self.compact = compact
        self.keyring = keyring
        self.writer = keyring.numbered if compact else keyring.carried
        self.unit = min(self.writer.unit, value_codec.MAX_SIZE)

    def encrypt_slowly(
        self, value: object, context: Context | None = None, *, field: str | None = None
    ) -> Token | None:
        """The token for *value*, for any value and state of the keys; None for None."""
        if value is None:
            return None
        value_type, plaintext = value_codec.encode(value)
        return self.seal(value_type, plaintext, bindings.encode(field, context))

    def holds_key_of(self, token: Token | None) -> bool:
        """Whether *token* can be decrypted, or refused, without a request."""
        part = take_apart_if_token(token, bindings.NO_FIELD)
        return part is None or self.keyring.holds(part.name)

    def seal(self, value_type: int, plaintext: bytes, binding: bytes) -> Token:
        """The token for a value and a binding that are bytes already."""
        key, nonce = self.writer.key(len(plaintext)), self.random(envelope.NONCE)
        if self.compact:
            return keyring_token.seal(key, value_type, plaintext, binding, nonce)
        return envelope.seal(key, value_type, plaintext, binding, nonce)

    def open(self, token: Token, binding: bytes, value_type: int | None = None) -> Any:
        """The value in *token*; refused when it isn't of *value_type*."""
        part = take_apart(token, binding)
        if value_type not in (None, part.value_type):
            raise_decryption_failed()
        return part.opened(self.keyring.read_key(part.name).key)


class FieldCore:
    """What one declared field makes constant, and the slow path of its tokens.

    Attributes:
        cipher: whose keys it uses.
        binding: the field's id and its context's names.
        type: the declared type.
        code: its code in tokens.

    """

    def __init__(self, cipher: CipherCore, binding: Binding, kind: type) -> None:
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

    def encrypt_slowly(self, value: object, *context: object) -> Token | None:
        """The token for *value*, for any value and state of the keys; None for None."""
        if value is None:
            return None
        plaintext = self.plaintext(value)
        binding = self.binding.start + self.binding.entries(context)
        return self.cipher.seal(self.code, plaintext, binding)

    def decrypt_slowly(self, token: Token | None, *context: object) -> Any:
        """The value in *token*, for any token and state of the keys; None for None."""
        if token is None:
            return None
        binding = self.binding.start + self.binding.entries(context)
        return self.cipher.open(token, binding, self.code)

    def plaintext(self, value: object) -> bytes:
        """*value* as bytes.

        Raises:
            EncryptionError: not of the declared type, or it can't be encrypted.

        """
        code, encoded = value_codec.encode(value)
        if code != self.code:
            raise EncryptionError(
                f"{self.binding.field}: a value of type {type(value).__name__}; "
                f"the field is declared as {self.type.__name__}"
            )
        return encoded

    def header(self, number: int) -> bytes:
        """What the field's tokens under data key *number* begin with."""
        return keyring_token.header(self.code, number)

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
        parts = keyring_token.parse(token)
        held = self.cipher.keyring.read_key(parts.number)
        prefixes = self.binding.prefixes(parts.header)
        return (held, held.key.decrypt, parts.header, *prefixes)


class Part(NamedTuple):
    """A token taken apart, with what it must authenticate; nothing has been checked yet."""

    name: KeyName
    value_type: int
    nonce: bytes
    sealed: bytes
    additional: bytes

    def opened(self, key: DataKey) -> Any:
        """The value. Raises DecryptionFailed."""
        return value_codec.decode(
            self.value_type, key.open(self.nonce, self.sealed, self.additional)
        )


def take_apart(token: object, binding: bytes) -> Part:
    """*token* taken apart.

    Raises:
        DecryptionFailed: not a token; or of version 2, which knew no declared fields, and one is
            in *binding*.

    """
    if isinstance(token, bytes | bytearray | memoryview):
        compact = keyring_token.parse(bytes(token))
        additional = compact.header + binding
        return Part(compact.number, compact.value_type, compact.nonce, compact.sealed, additional)
    parts = envelope.parse(token)
    if parts.version == envelope.VERSION:
        additional = parts.authenticated() + binding
    elif binding.startswith(bindings.NO_FIELD):
        additional = parts.authenticated() + binding[len(bindings.NO_FIELD) :]
    else:
        raise_decryption_failed()
    name = SelfContained(parts.version, parts.wrapped, parts.commitment)
    return Part(name, parts.value_type, parts.nonce, parts.sealed, additional)


def take_apart_if_token(token: object, binding: bytes) -> Part | None:
    """*token* taken apart; None when it isn't one."""
    try:
        return take_apart(token, binding)
    except DecryptionFailed:
        return None
