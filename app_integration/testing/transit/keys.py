"""Keys of the in-memory Transit engine: their types, versions and settings."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    ErrorResponse,
    internal_error,
    unsupported_feature,
    unsupported_parameter,
)
from app_integration.testing.parameters import Parameters

Random = Callable[[int], bytes]
Cipher: TypeAlias = AESGCM | ChaCha20Poly1305
PrivateKey: TypeAlias = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_DEFAULT_TYPE: Final = "aes256-gcm96"
_CIPHERS: Final[dict[str, tuple[int, type[Cipher]]]] = {
    "aes128-gcm96": (16, AESGCM),
    _DEFAULT_TYPE: (32, AESGCM),
    "chacha20-poly1305": (32, ChaCha20Poly1305),
}
_CURVES: Final[dict[str, tuple[str, type[ec.EllipticCurve]]]] = {
    "ecdsa-p256": ("P-256", ec.SECP256R1),
    "ecdsa-p384": ("P-384", ec.SECP384R1),
    "ecdsa-p521": ("P-521", ec.SECP521R1),
}
_RSA: Final = {"rsa-2048": 2048, "rsa-3072": 3072, "rsa-4096": 4096}
_ED25519: Final = "ed25519"
_HMAC: Final = "hmac"
#: Types of the real servers that have no counterpart in memory.
_UNSUPPORTED: Final = (
    *("xchacha20-poly1305", "managed_key", "aes128-cmac", "aes192-cmac", "aes256-cmac"),
    *("ml-dsa", "slh-dsa", "hybrid"),
)
_HMAC_SIZES: Final = range(32, 513)  # bytes
_HMAC_KEY_SIZE: Final = 32  # bytes, of the HMAC key of another type
_MIN_ROTATION: Final = 3600.0  # seconds
MISSING_CONTEXT: Final = (
    "missing 'context' for key derivation; the key was created using a derived key, which means"
    " additional, per-request information must be included in order to perform operations with"
    " the key"
)


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """The secrets of one version of a key."""

    created: float
    symmetric: bytes = field(repr=False)
    hmac: bytes = field(repr=False)
    private: PrivateKey | None = field(default=None, repr=False)


@dataclass(slots=True)
class Key:
    """A key with its versions, counted from 1.

    *min_encryption* is 0 for the latest version, *rotation_period* is in seconds, 0 for never, and
    *size* is the number of bytes of a key of the type ``hmac``.
    """

    name: str
    kind: str
    derived: bool = False
    size: int = 0
    exportable: bool = False
    allow_plaintext_backup: bool = False
    deletion_allowed: bool = False
    min_encryption: int = 0
    min_decryption: int = 1
    rotation_period: float = 0.0
    versions: list[KeyVersion] = field(default_factory=list, repr=False)

    @property
    def latest(self) -> int:
        """Return the number of the latest version."""
        return len(self.versions)

    @property
    def encrypts(self) -> bool:
        """Return whether it encrypts, on the real server."""
        return self.kind in _CIPHERS or self.kind in _RSA

    @property
    def signs(self) -> bool:
        """Return whether it signs."""
        return self.kind in _CURVES or self.kind in _RSA or self.kind == _ED25519

    def rotate(self, random: Random, now: float) -> None:
        """Add a version."""
        if self.kind == _HMAC:
            secret = random(self.size)
            self.versions.append(KeyVersion(now, secret, secret))
            return
        size = _CIPHERS[self.kind][0] if self.kind in _CIPHERS else 0
        private = None if size else _generate(self.kind)
        self.versions.append(KeyVersion(now, random(size), random(_HMAC_KEY_SIZE), private))

    def rotate_if_due(self, random: Random, now: float) -> None:
        """Add a version if the latest one is as old as the period of rotation."""
        if self.rotation_period and now - self.versions[-1].created >= self.rotation_period:
            self.rotate(random, now)

    def cipher(self, version: int, context: bytes) -> Cipher:
        """Return the cipher of *version*, for *context* if the key is derived."""
        if not self.encrypts:
            raise ErrorResponse(400, f"message encryption not supported for key type {self.kind}")
        if self.kind not in _CIPHERS:
            raise unsupported_feature(f"encryption with a key of the type {self.kind!r}")
        size, cipher = _CIPHERS[self.kind]
        secret = self.versions[version - 1].symmetric
        if self.derived:
            secret = HKDF(hashes.SHA256(), size, salt=None, info=context).derive(secret)
        return cipher(secret)

    def configure(self, given: Parameters) -> None:
        """Set the settings that are *given*; nothing is changed if one is invalid."""
        decryption = self._limit(given, "decryption", self.min_decryption) or 1
        encryption = self._limit(given, "encryption", self.min_encryption)
        rotation = _rotation_period(given, self.rotation_period)
        if 0 < encryption < decryption:
            raise ErrorResponse(
                400,
                "cannot set min encryption/decryption values; min encryption version of"
                f" {encryption} must be greater than or equal to min decryption version of"
                f" {decryption}",
            )
        deletion = given.boolean("deletion_allowed", self.deletion_allowed)
        exportable, backup = (
            given.boolean(name) for name in ("exportable", "allow_plaintext_backup")
        )
        self.min_decryption, self.min_encryption = decryption, encryption
        self.deletion_allowed, self.rotation_period = deletion, rotation
        # Neither can be taken back.
        self.exportable = self.exportable or exportable
        self.allow_plaintext_backup = self.allow_plaintext_backup or backup

    def _limit(self, given: Parameters, kind: str, before: int) -> int:
        found = given.integer(f"min_{kind}_version", before)
        if found < 0:
            raise ErrorResponse(400, f"min {kind} version cannot be negative")
        if found > self.latest:
            reason = f"latest key version is {self.latest}"
            raise ErrorResponse(400, f"cannot set min {kind} version of {found}, {reason}")
        return found

    def describe(self, clock: Clock) -> dict[str, Any]:
        """Return the key as the server shows it, without its secrets."""
        derived = {"kdf": "hkdf_sha256", "convergent_encryption": False} if self.derived else {}
        numbers = range(self.min_decryption, self.latest + 1)
        keys = {str(number): self._describe_version(number, clock) for number in numbers}
        return {
            **derived,
            **({"key_size": self.size} if self.kind == _HMAC else {"keys": keys}),
            "name": self.name,
            "type": self.kind,
            "derived": self.derived,
            "allow_plaintext_backup": self.allow_plaintext_backup,
            "auto_rotate_period": round(self.rotation_period),
            "deletion_allowed": self.deletion_allowed,
            "exportable": self.exportable,
            "imported_key": False,
            "latest_version": self.latest,
            "min_available_version": 0,
            "min_decryption_version": self.min_decryption,
            "min_encryption_version": self.min_encryption,
            "soft_deleted": False,
            "supports_encryption": self.encrypts,
            "supports_decryption": self.encrypts,
            "supports_derivation": self.kind in _CIPHERS or self.kind == _ED25519,
            "supports_signing": self.signs,
        }

    def _describe_version(self, number: int, clock: Clock) -> object:
        version = self.versions[number - 1]
        if version.private is None:
            return clock.unix(version.created)
        return {
            "name": _CURVES[self.kind][0] if self.kind in _CURVES else self.kind,
            "creation_time": clock.timestamp(version.created),
            "public_key": _show_public(version.private),
            "certificate_chain": "",
        }


def build_key(name: str, given: Parameters) -> Key:
    """Return a new key without versions."""
    kind = given.text("type", _DEFAULT_TYPE)
    derived = given.boolean("derived")
    if given.boolean("convergent_encryption"):
        if not derived:
            raise ErrorResponse(400, "convergent encryption requires derivation to be enabled")
        raise unsupported_parameter("convergent_encryption")
    rotation_period = _rotation_period(given)
    _check_type(kind, derived=derived)
    size = given.integer("key_size")
    if kind == _HMAC and size == 0:
        raise internal_error("invalid key size for HMAC key, must be between 32 and 512 bytes")
    if (kind == _HMAC and size not in _HMAC_SIZES) or (kind != _HMAC and size):
        raise ErrorResponse(400, f"invalid key_size {size}")
    return Key(
        name,
        kind,
        derived,
        size,
        given.boolean("exportable"),
        given.boolean("allow_plaintext_backup"),
        rotation_period=rotation_period,
    )


def _check_type(kind: str, *, derived: bool) -> None:
    if kind in _UNSUPPORTED:
        raise unsupported_parameter("type", kind)
    if kind not in {*_CIPHERS, *_CURVES, *_RSA, _ED25519, _HMAC}:
        raise ErrorResponse(400, f"unknown key type {kind}")
    if derived and kind == _ED25519:
        raise unsupported_feature("derived keys of the type 'ed25519'")
    if derived and kind not in _CIPHERS:
        raise internal_error(
            f"key derivation and convergent encryption not supported for keys of type {kind}"
        )


def check_upsert_type(kind: str) -> None:
    """Raise an error unless an encryption may create a key of the type *kind*."""
    if kind not in {*_CIPHERS, "xchacha20-poly1305"}:
        raise ErrorResponse(400, f"unknown key type {kind}")


def _rotation_period(given: Parameters, before: float = 0.0) -> float:
    period = given.seconds("auto_rotate_period", before)
    if 0 < period < _MIN_ROTATION:
        raise ErrorResponse(400, "auto rotate period must be 0 to disable or at least an hour")
    return period


def _generate(kind: str) -> PrivateKey:
    if kind == _ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind][1]())
    return rsa.generate_private_key(65537, _RSA[kind])


def _show_public(private: PrivateKey) -> str:
    public = private.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return base64.b64encode(public.public_bytes_raw()).decode()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
