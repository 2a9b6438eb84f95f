"""Recipients with an age X25519 key, for example a break-glass key that is kept in a safe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app_integration._internal.input_file import read_input
from app_integration.encryption.files import bech32
from app_integration.encryption.files.body import KEY_SIZE
from app_integration.encryption.files.recipient import X25519, Recipient
from app_integration.errors import ConfigurationError, EncryptionError, raise_decryption_failed
from app_integration.secret import Secret

PUBLIC_PREFIX: Final = "age"
PRIVATE_PREFIX: Final = "age-secret-key-"
_PURPOSE: Final = b"strongroom file v1 X25519"
_NONCE: Final = bytes(12)  # because each wrap key is used once


def parse_public_key(text: str) -> X25519PublicKey:
    """Return the public key that *text* is, such as ``age1…``."""
    try:
        return X25519PublicKey.from_public_bytes(bech32.decode(text, PUBLIC_PREFIX))
    except ValueError:
        raise EncryptionError(
            f"recipient {text!r} is no public key of age: its letters or its length are wrong; "
            "copy the line that age-keygen -y prints"
        ) from None


def public_text(identity: X25519PrivateKey) -> str:
    """Return the public key of *identity*, such as ``age1…``."""
    return bech32.encode(identity.public_key().public_bytes_raw(), PUBLIC_PREFIX)


def private_text(identity: X25519PrivateKey) -> Secret:
    """Return *identity* as ``age-keygen`` writes it."""
    return Secret(bech32.encode(identity.private_bytes_raw(), PRIVATE_PREFIX).upper())


def read_identities(path: Path) -> list[X25519PrivateKey]:
    """Return the private keys in a file as ``age-keygen`` writes it: one a line, and comments."""
    try:
        lines = read_input(path, is_private=True).decode().splitlines()
        texts = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        keys = [bech32.decode(text, PRIVATE_PREFIX) for text in texts]
        identities = [X25519PrivateKey.from_private_bytes(key) for key in keys]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "a line is no private key of age"
        raise ConfigurationError(
            f"{path}: cannot read the identity: {reason}; name a file that age-keygen wrote"
        ) from None
    if not identities:
        raise ConfigurationError(f"{path}: no private key; name a file that age-keygen wrote")
    return identities


def wrap(file_key: bytes, public_key: X25519PublicKey, random: Callable[[int], bytes]) -> Recipient:
    """Return the recipient that can open *file_key* with the private key of *public_key*.

    Raises:
        EncryptionError: If *public_key* is a point of low order, under which nothing is secret.

    """
    ephemeral = X25519PrivateKey.from_private_bytes(random(KEY_SIZE))
    share = ephemeral.public_key().public_bytes_raw()
    try:
        shared = ephemeral.exchange(public_key)
    except ValueError:
        raise EncryptionError(
            "a recipient is no key that age-keygen makes; copy the line that age-keygen -y prints"
        ) from None
    key = _derive(shared, share + public_key.public_bytes_raw())
    return Recipient(X25519, share + ChaCha20Poly1305(key).encrypt(_NONCE, file_key, None))


def unwrap(recipient: Recipient, identity: X25519PrivateKey) -> bytes | None:
    """Return the file key that *recipient* holds; None if *identity* cannot open it.

    Raises:
        DecryptionFailed: If its ephemeral key is a point of low order.

    """
    share, sealed = recipient.content[:KEY_SIZE], recipient.content[KEY_SIZE:]
    try:
        shared = identity.exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError:
        raise_decryption_failed("file")
    key = _derive(shared, share + identity.public_key().public_bytes_raw())
    try:
        return ChaCha20Poly1305(key).decrypt(_NONCE, sealed, None)
    except InvalidTag:
        return None


def _derive(shared: bytes, salt: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=salt, info=_PURPOSE).derive(shared)
