"""Transit in memory: keys with versions; encryption, decryption, rewrap and data keys."""

from __future__ import annotations

import base64
import re
from functools import partial
from typing import Any, Final

from cryptography.exceptions import InvalidTag

from app_integration.testing.clock import Clock
from app_integration.testing.http import (
    NO_CONTENT,
    ErrorResponse,
    Request,
    ServerResponse,
    data_response,
    list_response,
    unsupported_operation,
    unsupported_path,
)
from app_integration.testing.parameters import Parameters, read
from app_integration.testing.transit.items import (
    PREFIX,
    TOO_OLD,
    ItemError,
    batch_status,
    decode,
    parse_batch,
    parse_versioned,
    requested_version,
    respond,
    run_batch,
    run_single,
)
from app_integration.testing.transit.keys import (
    MISSING_CONTEXT,
    Key,
    Random,
    build_key,
    check_upsert_type,
)
from app_integration.testing.transit.signing import Signing

_NONCE_SIZE: Final = 12  # bytes
_NAME: Final = re.compile(r"\w(?:[\w.-]*\w)?", re.ASCII)
_NOT_AUTHENTIC: Final = "message authentication failed"
_NO_AAD: Final = "unable to get associated_data/additional_data from factory[0]:"
_CREATION: Final = (
    *("type", "derived", "key_size", "exportable", "allow_plaintext_backup"),
    *("convergent_encryption", "auto_rotate_period"),
)
_CONFIG: Final = (
    *("min_decryption_version", "min_encryption_version", "deletion_allowed", "exportable"),
    *("allow_plaintext_backup", "auto_rotate_period"),
)
#: Operation → fields of an item; the first is required.
_FIELDS: Final = {
    "encrypt": ("plaintext", "context", "associated_data", "key_version"),
    "decrypt": ("ciphertext", "context", "associated_data"),
    "rewrap": ("ciphertext", "context", "key_version"),
}
_MISSING: Final = {
    "encrypt": "missing plaintext to encrypt",
    "decrypt": "missing ciphertext to decrypt",
    "rewrap": "missing ciphertext to decrypt",
}
_BITS: Final = (128, 256, 512)


class Transit:
    """A Transit mount."""

    def __init__(self, random: Random, clock: Clock) -> None:
        """Start without keys."""
        self._random = random
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._signing = Signing(self._keys)

    def handle(self, request: Request) -> ServerResponse:
        """Handle a request whose path is relative to the mount, and return the response."""
        for key in self._keys.values():
            key.rotate_if_due(self._random, self._clock())
        operation, *parts = request.path.rstrip("/").split("/")
        if operation == "keys":
            return self._handle_keys(parts, request)
        if operation == "datakey" and len(parts) == 2 and _NAME.fullmatch(parts[1]):  # noqa: PLR2004 (kind and name)
            _require_post(request)
            return self._data_key(parts[0], parts[1], request)
        is_signing = operation in {"sign", "verify", "hmac"}
        if not parts or len(parts) > 1 + is_signing or not _NAME.fullmatch(parts[0]):
            raise unsupported_path()
        if is_signing:
            _require_post(request)
            return self._signing.handle(operation, parts, request)
        if operation not in _FIELDS:
            raise unsupported_path()
        _require_post(request)
        return self._run(operation, parts[0], request)

    def _handle_keys(self, parts: list[str], request: Request) -> ServerResponse:
        if not parts:
            if request.method != "LIST":
                raise unsupported_operation()
            read(request)
            return list_response(sorted(self._keys))
        name, *action = parts
        if not _NAME.fullmatch(name):
            raise unsupported_path()
        match request.method, action:
            case "GET", []:
                read(request)
                return self._describe(name)
            case "POST", []:
                return self._create(name, request)
            case "DELETE", []:
                return self._delete(name, request)
            case "POST", ["rotate"]:
                read(request)
                return self._rotate(name)
            case "POST", ["config"]:
                return self._configure(name, request)
            case _, [] | ["rotate" | "config"]:
                raise unsupported_operation()
            case _:
                raise unsupported_path()

    def _create(self, name: str, request: Request) -> ServerResponse:
        key = build_key(name, read(request, *_CREATION))
        self._add(key)
        return self._describe(name)

    def _add(self, key: Key) -> None:
        """Add *key* unless there is one of that name. The real server keeps it, too."""
        if key.name not in self._keys:
            key.rotate(self._random, self._clock())
            self._keys[key.name] = key

    def _rotate(self, name: str) -> ServerResponse:
        if name not in self._keys:
            raise ErrorResponse(400, "key not found")
        self._keys[name].rotate(self._random, self._clock())
        return self._describe(name)

    def _configure(self, name: str, request: Request) -> ServerResponse:
        given = read(request, *_CONFIG)
        if name not in self._keys:
            raise ErrorResponse(400, f"no existing key named {name} could be found")
        self._keys[name].configure(given)
        return self._describe(name)

    def _delete(self, name: str, request: Request) -> ServerResponse:
        read(request)
        key = self._keys.get(name)
        if key is None or not key.deletion_allowed:
            reason = (
                "deletion is not allowed for this key" if key else "could not delete key; not found"
            )
            raise ErrorResponse(400, f"error deleting policy {name}: {reason}")
        del self._keys[name]
        return NO_CONTENT

    def _describe(self, name: str) -> ServerResponse:
        key = self._keys.get(name)
        if key is None:
            raise ErrorResponse(404)
        return data_response(key.describe(self._clock))

    def _run(self, operation: str, name: str, request: Request) -> ServerResponse:
        fields = _FIELDS[operation]
        known = (*fields, "batch_input", "partial_failure_response_code")
        defaults = {"convergent_encryption": False} if operation == "encrypt" else {}
        given = read(request, *known, *(["type"] * bool(defaults)), defaults=defaults)
        items = parse_batch(given, fields, needs=fields[0], missing=_MISSING[operation])
        given.integer("partial_failure_response_code")
        if operation == "encrypt":
            self._upsert(name, given, items or [given])
        if name not in self._keys:
            raise ErrorResponse(400, "encryption key not found")
        runs = {"encrypt": self._encrypt, "decrypt": self._decrypt, "rewrap": self._rewrap}
        run = partial(runs[operation], self._keys[name])
        # A batch of rewraps succeeds even if each of its items fails.
        if items is None or operation == "rewrap":
            return respond(run, given, items)
        results, failures = run_batch(
            run, items, {"plaintext": ""} if operation == "decrypt" else {}
        )
        status = batch_status(given, failures, len(items))
        return ServerResponse(status, {"data": {"batch_results": results}})

    def _upsert(self, name: str, given: Parameters, items: list[Parameters]) -> None:
        """Create the key if it does not exist; it is derived if the items have a context."""
        contexts = [bool(item.text("context")) for item in items]
        if len({*contexts}) > 1:
            reason = "context should be set either in all the request blocks or in none"
            raise ErrorResponse(400, reason)
        if name in self._keys or "plaintext" not in items[0]:
            return
        kind = given.text("type", "aes256-gcm96")
        check_upsert_type(kind)
        self._add(build_key(name, Parameters({"type": kind, "derived": contexts[0]})))

    def _encrypt(self, key: Key, item: Parameters) -> dict[str, Any]:
        if "plaintext" not in item:
            raise ItemError(_MISSING["encrypt"])
        plaintext = decode(item.text("plaintext"))
        return self._seal(key, plaintext, item)

    def _decrypt(self, key: Key, item: Parameters) -> dict[str, Any]:
        return {"plaintext": base64.b64encode(self._open(key, item)).decode()}

    def _rewrap(self, key: Key, item: Parameters) -> dict[str, Any]:
        return self._seal(key, self._open(key, item), item)

    def _data_key(self, kind: str, name: str, request: Request) -> ServerResponse:
        given = read(request, "bits", "context", "associated_data", "key_version")
        if kind not in {"plaintext", "wrapped"}:
            raise ErrorResponse(400, "Invalid path, must be 'plaintext' or 'wrapped'")
        bits = given.integer("bits", 256)
        if name not in self._keys:
            raise ErrorResponse(400, "encryption key not found")
        if bits not in _BITS:
            raise ErrorResponse(400, "invalid bit length")
        secret = self._random(bits // 8)
        sealed = run_single(lambda item: self._seal(self._keys[name], secret, item), given)
        shown = {"plaintext": base64.b64encode(secret).decode()} if kind == "plaintext" else {}
        return data_response({**sealed, **shown})

    def _seal(self, key: Key, plaintext: bytes, item: Parameters) -> dict[str, Any]:
        context = _context(key, item)
        version = requested_version(key, item, "encryption")
        cipher, nonce = key.cipher(version, context), self._random(_NONCE_SIZE)
        sealed = nonce + cipher.encrypt(nonce, plaintext, _associated_data(item))
        text = base64.b64encode(sealed).decode()
        return {"ciphertext": f"{PREFIX}{version}:{text}", "key_version": version}

    def _open(self, key: Key, item: Parameters) -> bytes:
        text = item.text("ciphertext")
        if not text:
            raise ItemError(_MISSING["decrypt"])
        context = _context(key, item, optional=not text.startswith(PREFIX))
        version, rest = parse_versioned(text, "ciphertext", "invalid ciphertext: no prefix")
        version = version or 1
        if version > key.latest:
            raise ItemError("invalid ciphertext: version is too new")
        if version < key.min_decryption:
            raise ItemError(TOO_OLD)
        cipher = key.cipher(version, context)
        sealed = decode(rest, "invalid ciphertext: could not decode base64")
        if len(sealed) < _NONCE_SIZE:
            raise ItemError("invalid ciphertext length")
        try:
            return cipher.decrypt(
                sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], _associated_data(item)
            )
        except (InvalidTag, ValueError):
            name = "chacha20poly1305" if key.kind == "chacha20-poly1305" else "cipher"
            raise ItemError(f"{name}: {_NOT_AUTHENTIC}") from None


def _require_post(request: Request) -> None:
    if request.method != "POST":
        raise unsupported_operation()


def _context(key: Key, item: Parameters, *, optional: bool = False) -> bytes:
    """Return the context of a derived key; that of another one is only checked."""
    context = decode(item.text("context"))
    if key.derived and not context and not optional:
        raise ItemError(MISSING_CONTEXT)
    return context


def _associated_data(item: Parameters) -> bytes | None:
    try:
        return decode(item.text("associated_data")) or None
    except ItemError as error:
        raise ItemError(f"{_NO_AAD} {error}", 500) from None
