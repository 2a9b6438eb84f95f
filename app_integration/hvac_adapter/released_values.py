"""Secret values in the responses to hvac's calls, which redaction must know."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

#: Paths whose responses describe the server; their secrets have one of the names below.
_SYSTEM_PATHS: Final = re.compile(r"sys/(?!wrapping/)|auth/|identity/")
#: Names of values that are secret wherever they are.
_SECRET_NAMES: Final = frozenset(
    {"client_secret", "client_token", "root_token", "secret_id", "token"}
)
#: Paths with more names of that kind. Elsewhere `keys` are names, and an `id` is public.
_NAMES_OF_PATHS: Final = {
    "auth/token/lookup": frozenset({"id"}),
    "identity/mfa/": frozenset({"barcode", "url"}),
    "sys/generate-root": frozenset({"encoded_root_token", "otp"}),
    "sys/init": frozenset({"keys", "keys_base64", "recovery_keys", "recovery_keys_base64"}),
    "sys/rekey": frozenset({"keys", "keys_base64"}),
}
#: Names of values of an engine that are no secrets, and are words that logs need.
_PLAIN_NAMES: Final = frozenset(
    {
        *("created_time", "creation_time", "db_name", "deletion_time", "last_rotation_time"),
        *("name", "plugin_name", "type", "username"),
    }
)
#: Data of the application in Transit, as of ``decrypt_field``: they would displace secrets.
_APPLICATION_DATA: Final = re.compile(r".+/(decrypt|encrypt|hash|hmac|rewrap|sign|verify)/.+")
_WRITES: Final = frozenset({"POST", "PUT"})
_CIPHERTEXT: Final = "vault:v"


def secret_texts(method: str, target: str, content: bytes) -> Iterator[str]:
    """Yield the secret values in the response to a request; nothing if it is not a JSON object."""
    path, _, query = target.partition("?")
    body = _parse(content)
    if method == "LIST" or "list" in parse_qs(query) or body is None:
        return
    yield from _named(body, _names_of(path))
    data = body.get("data")
    if isinstance(data, Mapping) and not _SYSTEM_PATHS.match(path):
        if data.keys() == {"data", "metadata"}:  # of KV version 2
            yield from _texts(data["data"])
        elif method not in _WRITES or not _APPLICATION_DATA.fullmatch(path):
            yield from _texts({name: data[name] for name in data.keys() - _PLAIN_NAMES})


def _names_of(path: str) -> frozenset[str]:
    further = [names for prefix, names in _NAMES_OF_PATHS.items() if path.startswith(prefix)]
    return _SECRET_NAMES.union(*further)


def _parse(content: bytes) -> Mapping[str, Any] | None:
    if not content.startswith(b"{"):
        return None
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _named(value: object, names: frozenset[str]) -> Iterator[str]:
    """Yield the texts below *names* in *value*."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner) if name in names else _named(inner, names)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner, names)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str) and not value.startswith(_CIPHERTEXT):
        yield value
        yield from _decoded(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _decoded(value: str) -> Iterator[str]:
    """Yield the text that *value* is the base64 of, such as the plaintext of a data key."""
    try:
        yield base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return
