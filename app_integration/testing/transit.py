"""Transit in memory: derived keys with versions; encryption, decryption and rewrap in batches."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app_integration.testing.http import (
    NO_CONTENT,
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    unsupported_path,
)

_KEY_SIZE: Final = 32  # bytes of a key
_NONCE_SIZE: Final = 12  # bytes
_CIPHERTEXT: Final = re.compile(r"vault:v([1-9][0-9]*):(.+)")
_NOT_AUTHENTIC: Final = "cipher: message authentication failed"

Random = Callable[[int], bytes]


@dataclass(slots=True)
class _Key:
    derived: bool
    versions: list[bytes] = field(repr=False)
    min_version: int = 1

    @property
    def latest(self) -> int:
        return len(self.versions)

    def cipher(self, version: int, context: bytes) -> AESGCM:
        key = self.versions[version - 1]
        if self.derived:
            key = HKDF(hashes.SHA256(), _KEY_SIZE, salt=None, info=context).derive(key)
        return AESGCM(key)

    def context(self, item: Mapping[str, Any]) -> bytes:
        if not self.derived:
            return b""
        if not item.get("context"):
            raise _ItemError("missing 'context' for key derivation; the key is a derived one")
        return _decode(item["context"])


class _ItemError(Exception):
    """An error for one item of a batch."""


class Transit:
    """A Transit mount."""

    def __init__(self, random: Random) -> None:
        """Start without keys.

        Args:
            random: Returns the given number of unpredictable bytes.

        """
        self._random = random
        self._keys: dict[str, _Key] = {}

    def handle(self, request: Request) -> ServerResponse:
        """Handle a request whose path is relative to the mount, and return the response."""
        match request.method, request.path.split("/"):
            case "POST", [("encrypt" | "decrypt" | "rewrap") as operation, name]:
                return self._run(operation, name, request.body)
            case "POST", ["keys", name]:
                self._create(name, derived=bool(request.body.get("derived")))
                return self._describe(name)
            case "GET", ["keys", name]:
                return self._describe(name)
            case "POST", ["keys", name, "rotate"]:
                self._key(name).versions.append(self._random(_KEY_SIZE))
                return self._describe(name)
            case "POST", ["keys", name, "config"]:
                self._configure(self._key(name), request.body)
                return NO_CONTENT
            case _:
                raise unsupported_path()

    def _create(self, name: str, *, derived: bool) -> _Key:
        """Return the key *name*; create it if it does not exist. The real server keeps it, too."""
        return self._keys.setdefault(name, _Key(derived, [self._random(_KEY_SIZE)]))

    def _configure(self, key: _Key, body: Mapping[str, Any]) -> None:
        min_version = int(body.get("min_decryption_version", key.min_version))
        if not 1 <= min_version <= key.latest:
            raise ErrorResponse(400, f"cannot set min decryption version of {min_version}")
        key.min_version = min_version

    def _key(self, name: str) -> _Key:
        if name not in self._keys:
            raise ErrorResponse(400, "encryption key not found")
        return self._keys[name]

    def _describe(self, name: str) -> ServerResponse:
        key = self._keys.get(name)
        if key is None:
            raise ErrorResponse(404)
        return data_response(
            {
                "name": name,
                "derived": key.derived,
                "type": "aes256-gcm96",
                "latest_version": key.latest,
                "min_decryption_version": key.min_version,
                "exportable": False,
                "deletion_allowed": False,
                "keys": {str(number): 0 for number in range(key.min_version, key.latest + 1)},
            }
        )

    def _run(self, operation: str, name: str, body: Mapping[str, Any]) -> ServerResponse:
        if operation == "encrypt" and name not in self._keys:
            # The real server creates the key, too; it is derived if the request has a context.
            first = (body.get("batch_input") or [body])[0]
            self._create(name, derived="context" in first)
        run = {"encrypt": self._encrypt, "decrypt": self._decrypt, "rewrap": self._rewrap}[
            operation
        ]
        key = self._key(name)
        items = body.get("batch_input")
        if items is None:
            try:
                return data_response(run(key, body))
            except _ItemError as refused:
                raise ErrorResponse(400, str(refused)) from None
        results = [_attempt(run, key, item) for item in items]
        failed = sum("error" in result for result in results)
        if failed in (0, len(results)) or "partial_failure_response_code" not in body:
            status = 400 if failed else 200
        else:
            status = int(body["partial_failure_response_code"])
        return ServerResponse(status, {"data": {"batch_results": results}})

    def _encrypt(self, key: _Key, item: Mapping[str, Any]) -> dict[str, Any]:
        return self._seal(key, _decode(item.get("plaintext", "")), key.context(item))

    def _decrypt(self, key: _Key, item: Mapping[str, Any]) -> dict[str, Any]:
        plaintext = self._open(key, item)
        return {"plaintext": base64.b64encode(plaintext).decode()}

    def _rewrap(self, key: _Key, item: Mapping[str, Any]) -> dict[str, Any]:
        return self._seal(key, self._open(key, item), key.context(item))

    def _seal(self, key: _Key, plaintext: bytes, context: bytes) -> dict[str, Any]:
        nonce = self._random(_NONCE_SIZE)
        sealed = nonce + key.cipher(key.latest, context).encrypt(nonce, plaintext, None)
        text = base64.b64encode(sealed).decode()
        return {"ciphertext": f"vault:v{key.latest}:{text}", "key_version": key.latest}

    def _open(self, key: _Key, item: Mapping[str, Any]) -> bytes:
        context = key.context(item)
        parts = _CIPHERTEXT.fullmatch(str(item.get("ciphertext", "")))
        if parts is None:
            raise _ItemError("invalid ciphertext: no prefix")
        version, sealed = int(parts[1]), _decode(parts[2])
        if version > key.latest:
            raise _ItemError("invalid ciphertext: version is too new")
        if version < key.min_version:
            raise _ItemError("ciphertext or signature version is disallowed by policy (too old)")
        try:
            return key.cipher(version, context).decrypt(
                sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], None
            )
        except (InvalidTag, ValueError):
            raise _ItemError(_NOT_AUTHENTIC) from None


def _attempt(
    run: Callable[[_Key, Mapping[str, Any]], dict[str, Any]], key: _Key, item: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        return run(key, item)
    except _ItemError as refused:
        return {"error": str(refused)}


def _decode(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error:
        raise _ItemError("illegal base64 data") from None
