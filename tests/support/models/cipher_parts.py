"""Parts for tests of field encryption: a key service, data keys in memory, and forged tokens."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.names import Environment, Scope

STORE = Scope("gaara-store", Environment.DEV)


class KeyService:
    """A key service in memory that wraps with AES-GCM and records its requests."""

    def __init__(self, key: bytes | None = None) -> None:
        self.requests: list[tuple[str, int]] = []
        self.oldest = 1
        self._keys = [AESGCM(key or os.urandom(32))]

    def rotate(self) -> None:
        self._keys.append(AESGCM(os.urandom(32)))

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        self._record("wrap", data_keys)
        return [self._encrypt(key, scope) for key in data_keys]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        self._record("unwrap", wrapped)
        return [self._decrypt(each, scope) for each in wrapped]

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        self._record("rewrap", wrapped)
        data_keys = [self._decrypt(each, scope) for each in wrapped]
        return [None if key is None else self._encrypt(key, scope) for key in data_keys]

    def version(self, wrapped: bytes) -> int:
        return int.from_bytes(wrapped[:4], "big")

    def _record(self, operation: str, items: Sequence[bytes]) -> None:
        self.requests.append((operation, len(items)))

    def _encrypt(self, key: bytes, scope: bytes) -> bytes:
        nonce = os.urandom(12)
        version = len(self._keys).to_bytes(4, "big")
        return version + nonce + self._keys[-1].encrypt(nonce, key, version + scope)

    def _decrypt(self, wrapped: bytes, scope: bytes) -> bytes | None:
        version = self.version(wrapped)
        if not self.oldest <= version <= len(self._keys):
            return None
        try:
            return self._keys[version - 1].decrypt(wrapped[4:16], wrapped[16:], wrapped[:4] + scope)
        except (InvalidTag, ValueError):
            return None


class Rows:
    def __init__(self) -> None:
        self.keys: dict[int, WrappedKey] = {}
        self.lookups = 0

    def add(self, key: WrappedKey) -> bool:
        return self.keys.setdefault(key.number, key) is key

    def get(self, numbers: Iterable[int]) -> list[WrappedKey]:
        self.lookups += 1
        return [self.keys[number] for number in numbers if number in self.keys]

    def list_by_scope(self, scope: str) -> list[WrappedKey]:
        return [key for key in self.keys.values() if key.scope == scope]

    def rewrap(self, key: WrappedKey, wrapped: bytes, version: int) -> bool:
        if self.keys.get(key.number) != key:
            return False
        self.keys[key.number] = replace(key, wrapped=wrapped, version=version)
        return True


class World:
    """One service's key service and stored data keys. Each of its processes has its own cipher."""

    def __init__(self) -> None:
        self.service, self.rows = KeyService(), Rows()

    def process(self, scope: Scope = STORE, key_name: str = "pii", **options: Any) -> FieldCipher:
        return FieldCipher(self.service, scope, key_name, data_keys=self.rows, **options)

    def text_process(self, scope: Scope = STORE, **options: Any) -> FieldCipher:
        return FieldCipher(self.service, scope, **options)


def forgeries(token: bytes) -> Iterator[bytes]:
    """Yield tampered copies of *token*."""
    for bit in range(8 * len(token)):
        changed = bytearray(token)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)
    for length in range(len(token)):
        yield token[:length]
        yield token[length + 1 :]
        yield token[:length] + b"\x00" + token[length:]
        shorter = token[:length] + token[length + 1 :]
        if shorter != token:
            yield shorter
    for byte in range(256):
        yield token + bytes([byte])
        yield bytes([byte]) + token
    yield token + token
