"""Signatures by the keys of the in-memory Transit engine."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)

from app_integration.testing.http import ErrorResponse, unsupported_feature, unsupported_parameter
from app_integration.testing.parameters import Parameters
from app_integration.testing.transit.items import ItemError, decode
from app_integration.testing.transit.keys import Key, PrivateKey

#: Name of a hash → the hash.
HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303 (the real server has it, too)
    "sha2-224": hashes.SHA224(),
    "sha2-256": hashes.SHA256(),
    "sha2-384": hashes.SHA384(),
    "sha2-512": hashes.SHA512(),
    "sha3-224": hashes.SHA3_224(),
    "sha3-256": hashes.SHA3_256(),
    "sha3-384": hashes.SHA3_384(),
    "sha3-512": hashes.SHA3_512(),
}
DEFAULT_HASH: Final = "sha2-256"
NO_HASH: Final = "none"
_INVALID: Final = "supplied signature is invalid"


@dataclass(frozen=True, slots=True)
class SignatureOptions:
    """How to sign: the parameters of a request that hold for each item."""

    algorithm: str
    scheme: str
    is_jws: bool
    salt: str
    prehashed: bool

    @classmethod
    def parse(cls, given: Parameters, key: Key, url_algorithm: str) -> SignatureOptions:
        """Return the options in the parameters of a request."""
        named = given.text("hash_algorithm") or given.text("algorithm") or DEFAULT_HASH
        algorithm = url_algorithm or named
        if algorithm != NO_HASH and algorithm not in HASHES:
            raise ErrorResponse(400, f'invalid hash algorithm "{algorithm}"')
        marshaling = given.text("marshaling_algorithm", "asn1")
        if marshaling not in {"asn1", "jws"}:
            raise ErrorResponse(400, f'invalid marshaling type "{marshaling}"')
        salt = _check_salt(given.text("salt_length", "auto"))
        signature = given.text("signature_algorithm")
        prehashed = given.boolean("prehashed")
        if algorithm == NO_HASH and key.kind != "ed25519":
            if not prehashed or signature != "pkcs1v15":
                raise ErrorResponse(
                    400,
                    "hash_algorithm=none requires both prehashed=true and"
                    " signature_algorithm=pkcs1v15",
                )
            raise unsupported_parameter("hash_algorithm", NO_HASH)
        return cls(algorithm, signature, marshaling == "jws", salt, prehashed)

    @property
    def hash(self) -> hashes.HashAlgorithm:
        """Return the hash."""
        return HASHES[self.algorithm]

    @property
    def digest(self) -> hashes.HashAlgorithm | Prehashed:
        """Return the hash to sign with, which knows whether the input is a hash already."""
        return Prehashed(self.hash) if self.prehashed else self.hash

    def rsa_padding(self, *, is_verifying: bool) -> padding.PSS | padding.PKCS1v15:
        """Return the padding of an RSA signature."""
        if self.scheme == "pkcs1v15":
            return padding.PKCS1v15()
        if self.scheme not in {"", "pss"}:
            raise ItemError(f"unsupported rsa signature algorithm {self.scheme}", 500)
        automatic = padding.PSS.AUTO if is_verifying else padding.PSS.MAX_LENGTH
        lengths: dict[str, Any] = {"auto": automatic, "hash": padding.PSS.DIGEST_LENGTH}
        salt = lengths[self.salt] if self.salt in lengths else int(self.salt)
        return padding.PSS(padding.MGF1(self.hash), salt)

    def encode(self, signature: bytes) -> str:
        """Return a signature as text."""
        if self.is_jws:
            return base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
        return base64.b64encode(signature).decode()

    def decode(self, text: str) -> bytes:
        """Return the signature in a text."""
        if not self.is_jws:
            return decode(text, "invalid base64 signature value")
        if {*text} & {"+", "/", "="}:
            raise ItemError("invalid base64 signature value")
        plain = text.replace("-", "+").replace("_", "/")
        return decode(plain + "=" * (-len(plain) % 4), "invalid base64 signature value")


def sign(private: PrivateKey, data: bytes, options: SignatureOptions) -> bytes:
    """Return the signature of *data*."""
    try:
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return private.sign(data)
        if isinstance(private, rsa.RSAPrivateKey):
            return private.sign(data, options.rsa_padding(is_verifying=False), options.digest)
        made = private.sign(data, ec.ECDSA(options.digest))
    except (ValueError, UnsupportedAlgorithm):
        raise _unsigned(private, options) from None
    return _to_jws(made, private) if options.is_jws else made


def is_valid(private: PrivateKey, signature: bytes, data: bytes, options: SignatureOptions) -> bool:
    """Return whether *signature* is one of *data*."""
    try:
        if isinstance(private, ed25519.Ed25519PrivateKey):
            private.public_key().verify(signature, data)
        elif isinstance(private, rsa.RSAPrivateKey):
            scheme = options.rsa_padding(is_verifying=True)
            private.public_key().verify(signature, data, scheme, options.digest)
        else:
            made = _from_jws(signature) if options.is_jws else _check_asn1(signature)
            private.public_key().verify(made, data, ec.ECDSA(options.digest))
    except InvalidSignature:
        return False
    except (ValueError, UnsupportedAlgorithm):
        raise _unsigned(private, options) from None
    return True


def _unsigned(private: PrivateKey, options: SignatureOptions) -> Exception:
    """Return the error for input that the library does not sign."""
    if isinstance(private, rsa.RSAPrivateKey) and options.prehashed:
        return ItemError("crypto/rsa: input must be hashed with given hash", 500)
    # The real server signs a hash of any length with ECDSA.
    return unsupported_feature("prehashed input of another length than its hash, or this hash")


def _to_jws(signature: bytes, private: ec.EllipticCurvePrivateKey) -> bytes:
    size = (private.key_size + 7) // 8
    return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(signature))


def _from_jws(signature: bytes) -> bytes:
    # The real server splits one of any size, too; of a wrong size, none is valid.
    size = len(signature) // 2
    halves = signature[:size], signature[size:]
    return encode_dss_signature(*(int.from_bytes(half, "big") for half in halves))


def _check_asn1(signature: bytes) -> bytes:
    try:
        decode_dss_signature(signature)
    except ValueError:
        raise ItemError(_INVALID) from None
    return signature


def _check_salt(text: str) -> str:
    if text in {"auto", "hash"}:
        return text
    if not (text.lstrip("-").isascii() and text.lstrip("-").isdigit() and len(text) < 10):  # noqa: PLR2004 (digits of what fits 32 bits)
        raise ErrorResponse(400, f"salt length neither 'auto', 'hash', nor an int: {text}")
    if int(text) < 0:
        raise ErrorResponse(400, f"salt length is invalid: {text}")
    return text
