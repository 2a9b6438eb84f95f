"""Parts for tests of field encryption: a key service with versions, rows in memory, forgeries."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.errors import KeyUnavailable
from app_integration.names import Environment, Scope

STORE = Scope("gaara-store", Environment.DEV)


class KeyService:
    """Wraps under the newest of its keys, with the scope as additional data; counts requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, int]] = []
        self.away = False
        self.oldest = 1
        self._keys = [AESGCM(os.urandom(32))]

    def rotate(self) -> None:
        self._keys.append(AESGCM(os.urandom(32)))

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        self._ask("wrap", data_keys)
        return [self._wrapped(key, scope) for key in data_keys]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        self._ask("unwrap", wrapped)
        return [self._opened(each, scope) for each in wrapped]

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        self._ask("rewrap", wrapped)
        opened = [self._opened(each, scope) for each in wrapped]
        return [None if key is None else self._wrapped(key, scope) for key in opened]

    def version(self, wrapped: bytes) -> int:
        return int.from_bytes(wrapped[:4], "big")

    def _ask(self, operation: str, items: Sequence[bytes]) -> None:
        if self.away:
            raise KeyUnavailable("the key service is away")
        self.requests.append((operation, len(items)))

    def _wrapped(self, key: bytes, scope: bytes) -> bytes:
        nonce = os.urandom(12)
        version = len(self._keys).to_bytes(4, "big")
        return version + nonce + self._keys[-1].encrypt(nonce, key, version + scope)

    def _opened(self, wrapped: bytes, scope: bytes) -> bytes | None:
        version = self.version(wrapped)
        if not self.oldest <= version <= len(self._keys):
            return None
        try:
            return self._keys[version - 1].decrypt(wrapped[4:16], wrapped[16:], wrapped[:4] + scope)
        except (InvalidTag, ValueError):
            return None


class Rows:
    """A store of data keys in memory."""

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
    """One service's key and rows; each process of it has a cipher of its own."""

    def __init__(self) -> None:
        self.service, self.rows = KeyService(), Rows()

    def process(self, scope: Scope = STORE, key_name: str = "pii", **options: Any) -> FieldCipher:
        """A cipher that writes keyring tokens."""
        return FieldCipher(self.service, scope, key_name, data_keys=self.rows, **options)

    def text_process(self, scope: Scope = STORE, **options: Any) -> FieldCipher:
        """A cipher that writes text tokens."""
        return FieldCipher(self.service, scope, **options)


def forgeries(token: bytes) -> Iterator[bytes]:
    """Every flipped bit, every other byte, every cut, every hole, and what is put in or on."""
    for place in range(8 * len(token)):
        changed = bytearray(token)
        changed[place // 8] ^= 1 << place % 8
        yield bytes(changed)
    for length in range(len(token)):
        yield token[:length]
        yield token[length + 1 :]
        yield token[:length] + b"\x00" + token[length:]
        hole = token[:length] + token[length + 1 :]
        if hole != token:
            yield hole
    for byte in range(256):
        yield token + bytes([byte])
        yield bytes([byte]) + token
    yield token + token
