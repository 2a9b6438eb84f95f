"""Transit in memory: derived keys with versions, encryption, decryption and rewrap in batches."""

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
    Refused,
    Request,
    ServerResponse,
    data,
    no_such_path,
)

_SIZE: Final = 32  # bytes of a key
_NONCE: Final = 12  # bytes
_CIPHERTEXT: Final = re.compile(r"vault:v([1-9][0-9]*):(.+)")
_NOT_AUTHENTIC: Final = "cipher: message authentication failed"

Random = Callable[[int], bytes]


@dataclass(slots=True)
class _Key:
    derived: bool
    versions: list[bytes] = field(repr=False)
    oldest: int = 1

    @property
    def latest(self) -> int:
        return len(self.versions)

    def cipher(self, version: int, context: bytes) -> AESGCM:
        key = self.versions[version - 1]
        if self.derived:
            key = HKDF(hashes.SHA256(), _SIZE, salt=None, info=context).derive(key)
        return AESGCM(key)

    def context(self, item: Mapping[str, Any]) -> bytes:
        if not self.derived:
            return b""
        if not item.get("context"):
            raise _ItemRefused("missing 'context' for key derivation; the key is a derived one")
        return _decoded(item["context"])


class _ItemRefused(Exception):
    """One item of a batch can't be done."""


class Transit:
    """One Transit mount."""

    def __init__(self, random: Random) -> None:
        """Args: *random* gives that many unpredictable bytes."""
        self._random = random
        self._keys: dict[str, _Key] = {}

    def answer(self, request: Request) -> ServerResponse:
        """The answer to *request*, whose path is below the mount."""
        match request.method, request.path.split("/"):
            case "POST", [("encrypt" | "decrypt" | "rewrap") as operation, name]:
                return self._run(operation, name, request.body)
            case "POST", ["keys", name]:
                self._create(name, derived=bool(request.body.get("derived")))
                return self._described(name)
            case "GET", ["keys", name]:
                return self._described(name)
            case "POST", ["keys", name, "rotate"]:
                self._key(name).versions.append(self._random(_SIZE))
                return self._described(name)
            case "POST", ["keys", name, "config"]:
                self._configure(self._key(name), request.body)
                return NO_CONTENT
            case _:
                raise no_such_path()

    def _create(self, name: str, *, derived: bool) -> _Key:
        """A new key; one that is there stays as it is, as at the real server."""
        return self._keys.setdefault(name, _Key(derived, [self._random(_SIZE)]))

    def _configure(self, key: _Key, body: Mapping[str, Any]) -> None:
        oldest = int(body.get("min_decryption_version", key.oldest))
        if not 1 <= oldest <= key.latest:
            raise Refused(400, f"cannot set min decryption version of {oldest}")
        key.oldest = oldest

    def _key(self, name: str) -> _Key:
        if name not in self._keys:
            raise Refused(400, "encryption key not found")
        return self._keys[name]

    def _described(self, name: str) -> ServerResponse:
        key = self._keys.get(name)
        if key is None:
            raise Refused(404)
        return data(
            {
                "name": name,
                "derived": key.derived,
                "type": "aes256-gcm96",
                "latest_version": key.latest,
                "min_decryption_version": key.oldest,
                "exportable": False,
                "deletion_allowed": False,
                "keys": {str(number): 0 for number in range(key.oldest, key.latest + 1)},
            }
        )

    def _run(self, operation: str, name: str, body: Mapping[str, Any]) -> ServerResponse:
        if operation == "encrypt" and name not in self._keys:
            # The real server makes it: derived when the request has a context.
            first = (body.get("batch_input") or [body])[0]
            self._create(name, derived="context" in first)
        run = {"encrypt": self._encrypt, "decrypt": self._decrypt, "rewrap": self._rewrap}[
            operation
        ]
        key = self._key(name)
        items = body.get("batch_input")
        if items is None:
            try:
                return data(run(key, body))
            except _ItemRefused as refused:
                raise Refused(400, str(refused)) from None
        results = [_attempt(run, key, item) for item in items]
        failed = sum("error" in result for result in results)
        if failed in (0, len(results)) or "partial_failure_response_code" not in body:
            status = 400 if failed else 200
        else:
            status = int(body["partial_failure_response_code"])
        return ServerResponse(status, {"data": {"batch_results": results}})

    def _encrypt(self, key: _Key, item: Mapping[str, Any]) -> dict[str, Any]:
        return self._seal(key, _decoded(item.get("plaintext", "")), key.context(item))

    def _decrypt(self, key: _Key, item: Mapping[str, Any]) -> dict[str, Any]:
        plaintext = self._open(key, item)
        return {"plaintext": base64.b64encode(plaintext).decode()}

    def _rewrap(self, key: _Key, item: Mapping[str, Any]) -> dict[str, Any]:
        return self._seal(key, self._open(key, item), key.context(item))

    def _seal(self, key: _Key, plaintext: bytes, context: bytes) -> dict[str, Any]:
        nonce = self._random(_NONCE)
        sealed = nonce + key.cipher(key.latest, context).encrypt(nonce, plaintext, None)
        text = base64.b64encode(sealed).decode()
        return {"ciphertext": f"vault:v{key.latest}:{text}", "key_version": key.latest}

    def _open(self, key: _Key, item: Mapping[str, Any]) -> bytes:
        context = key.context(item)
        parts = _CIPHERTEXT.fullmatch(str(item.get("ciphertext", "")))
        if parts is None:
            raise _ItemRefused("invalid ciphertext: no prefix")
        version, sealed = int(parts[1]), _decoded(parts[2])
        if version > key.latest:
            raise _ItemRefused("invalid ciphertext: version is too new")
        if version < key.oldest:
            raise _ItemRefused("ciphertext or signature version is disallowed by policy (too old)")
        try:
            return key.cipher(version, context).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except (InvalidTag, ValueError):
            raise _ItemRefused(_NOT_AUTHENTIC) from None


def _attempt(
    run: Callable[[_Key, Mapping[str, Any]], dict[str, Any]], key: _Key, item: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        return run(key, item)
    except _ItemRefused as refused:
        return {"error": str(refused)}


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error:
        raise _ItemRefused("illegal base64 data") from None
