"""Signatures and HMACs of the in-memory Transit engine."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any, Final

from app_integration.testing.http import (
    ErrorResponse,
    Request,
    ServerResponse,
)
from app_integration.testing.parameters import Parameters, read
from app_integration.testing.transit.items import (
    PREFIX,
    TOO_OLD,
    ItemError,
    decode,
    parse_batch,
    parse_versioned,
    requested_version,
    respond,
)
from app_integration.testing.transit.keys import Key, PrivateKey
from app_integration.testing.transit.signatures import (
    DEFAULT_HASH,
    HASHES,
    NO_HASH,
    SignatureOptions,
    is_valid,
    sign,
)

_HMAC_FIELDS: Final = ("input", "algorithm", "key_version")
_SIGN_FIELDS: Final = (
    *("input", "algorithm", "hash_algorithm", "signature_algorithm", "marshaling_algorithm"),
    *("salt_length", "prehashed", "context", "key_version"),
)
_VERIFY_FIELDS: Final = (*_SIGN_FIELDS[:-1], "signature", "hmac")
_INPUT: Final = "unable to decode input as base64: illegal base64 data at input byte 0"
_MAC: Final = "unable to decode verification HMAC as base64: illegal base64 data at input byte 0"


class Signing:
    """The operations of a Transit mount that sign and verify."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        """Sign with *keys*, which another object fills."""
        self._keys = keys

    def handle(self, operation: str, parts: list[str], request: Request) -> ServerResponse:
        """Handle a request for the key and the optional algorithm in *parts*."""
        name, algorithm = parts[0], parts[1] if len(parts) > 1 else ""
        if operation == "hmac":
            return self._hmac(name, algorithm, request)
        if operation == "sign":
            return self._sign(name, algorithm, request)
        return self._verify(name, algorithm, request)

    def _hmac(self, name: str, url_algorithm: str, request: Request) -> ServerResponse:
        given = read(request, *_HMAC_FIELDS, "batch_input")
        key = self._find(name, "encryption key not found")
        algorithm = url_algorithm or given.text("algorithm", DEFAULT_HASH)
        version = given.integer("key_version") or key.latest
        if version < 0:
            raise ErrorResponse(400, "key version does not exist (cannot be negative)")
        if version > key.latest:
            reason = f"latest key version is {key.latest}"
            raise ErrorResponse(400, f"key version does not exist; {reason}")
        if version < key.min_encryption:
            raise ErrorResponse(
                400, "cannot generate HMAC: version is too old (disallowed by policy)"
            )
        if algorithm == NO_HASH:
            raise ErrorResponse(400, "algorithm cannot be none")
        if algorithm not in HASHES:
            raise ErrorResponse(400, "unsupported algorithm '\\x00'")

        def run(item: Parameters) -> dict[str, Any]:
            if "input" not in item:
                raise ItemError("missing input for HMAC")
            mac = _digest(key, version, decode(item.text("input"), _INPUT), algorithm)
            return {"hmac": f"{PREFIX}{version}:{base64.b64encode(mac).decode()}"}

        return respond(run, given, parse_batch(given, ("input",)))

    def _sign(self, name: str, url_algorithm: str, request: Request) -> ServerResponse:
        given = read(request, *_SIGN_FIELDS, "batch_input")
        given.integer("key_version")
        key = self._find(name, "signing key not found")
        options = SignatureOptions.parse(given, key, url_algorithm)
        if not key.signs:
            raise ErrorResponse(400, f"key type {key.kind} does not support signing")

        def run(item: Parameters) -> dict[str, Any]:
            data = decode(item.text("input"), _INPUT)
            version = requested_version(key, given, "signing", 500)
            made = sign(_private(key, version), data, options)
            return {
                "signature": f"{PREFIX}{version}:{options.encode(made)}",
                "key_version": version,
            }

        return respond(run, given, parse_batch(given, ("input", "context")), {"key_version": 0})

    def _verify(self, name: str, url_algorithm: str, request: Request) -> ServerResponse:
        given = read(request, *_VERIFY_FIELDS, "batch_input")
        items = parse_batch(given, ("input", "context", "signature", "hmac"))
        is_hmac = _is_hmac(items or [given], is_batch=items is not None)
        key = self._find(name, "signature verification key not found")
        options = SignatureOptions.parse(given, key, url_algorithm)
        if not is_hmac and not key.signs:
            raise ErrorResponse(400, f"key type {key.kind} does not support verification")

        def run(item: Parameters) -> dict[str, Any]:
            check = _verify_hmac if is_hmac else _verify_signature
            return {"valid": check(key, item, options)}

        return respond(run, given, items, {} if is_hmac else {"valid": False})

    def _find(self, name: str, missing: str) -> Key:
        if name not in self._keys:
            raise ErrorResponse(400, missing)
        return self._keys[name]


def _is_hmac(items: list[Parameters], *, is_batch: bool) -> bool:
    """Return whether HMACs are to be verified, and not signatures."""
    signatures = sum("signature" in item for item in items)
    macs = sum("hmac" in item for item in items)
    if not is_batch:
        if not signatures + macs:
            raise ErrorResponse(400, "neither a 'signature' nor an 'hmac' were given to verify")
        return not signatures
    if not signatures + macs:
        raise ErrorResponse(400, "no batch_input elements have 'signature' or 'hmac'")
    if len(items) not in (signatures, macs):
        raise ErrorResponse(
            400, "elements of batch_input must all provide 'signature' or all provide 'hmac'"
        )
    return macs == len(items)


def _verify_hmac(key: Key, item: Parameters, options: SignatureOptions) -> bool:
    data = decode(item.text("input"), _INPUT)
    version, rest = parse_versioned(item.text("hmac"), "HMAC", "invalid HMAC to verify: no prefix")
    sent = decode(rest, _MAC)
    if version > key.latest:
        raise ItemError("invalid HMAC: version is too new")
    if version < key.min_decryption:
        raise ItemError("cannot verify HMAC: version is too old (disallowed by policy)")
    if options.algorithm == NO_HASH:
        raise ItemError("algorithm cannot be none")
    return hmac.compare_digest(sent, _digest(key, version, data, options.algorithm))


def _verify_signature(key: Key, item: Parameters, options: SignatureOptions) -> bool:
    data = decode(item.text("input"), _INPUT)
    version, rest = parse_versioned(
        item.text("signature"), "signature", "invalid signature: no prefix"
    )
    if version > key.latest:
        raise ItemError("invalid signature: version is too new")
    if version < key.min_decryption:
        raise ItemError(TOO_OLD)
    return is_valid(_private(key, version), options.decode(rest), data, options)


def _digest(key: Key, version: int, data: bytes, algorithm: str) -> bytes:
    # hashlib spells sha3-256 with an underscore.
    name = HASHES[algorithm].name.replace("-", "_")
    return hmac.digest(key.versions[version - 1].hmac, data, name)


def _private(key: Key, version: int) -> PrivateKey:
    private = key.versions[version - 1].private
    assert private is not None  # noqa: S101 (callers have checked that the key signs)
    return private
