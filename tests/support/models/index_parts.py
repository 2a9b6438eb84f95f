"""Parts for tests of blind indexes: a key service and index keys in memory, and a set time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app_integration.encryption.blind_index.index import BlindIndex
from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.blind_index.stores import IndexKey
from app_integration.errors import KeyUnavailable
from app_integration.names import Environment, Scope

SHOP = Scope("shop", Environment.PROD)
ROWS = 1_000_000


class KeyService:
    """A key service that stores each key under a random text, which counts as the wrapped key."""

    def __init__(self) -> None:
        self.unavailable = False
        self.known: dict[bytes, tuple[bytes, bytes]] = {}

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        self._check()
        wrapped = [os.urandom(32) for _ in data_keys]
        self.known |= {one: (key, scope) for one, key in zip(wrapped, data_keys, strict=True)}
        return wrapped

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        self._check()
        entries = [self.known[one] for one in wrapped]
        return [key if bound == scope else None for key, bound in entries]

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        return [key and self.wrap([key], scope)[0] for key in self.unwrap(wrapped, scope)]

    def version(self, wrapped: bytes) -> int:
        assert wrapped
        return 1

    def _check(self) -> None:
        if self.unavailable:
            raise KeyUnavailable("the server is unavailable")


class Rows:
    """A store of index keys in memory. Set *unavailable* to make its lookups fail."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str, int], IndexKey] = {}
        self.lookups = 0
        self.unavailable = False

    place = "the table index_keys"

    def put(self, key: IndexKey) -> None:
        self.keys[key.scope, key.index, key.version] = key

    def versions(self, scope: str, index: str) -> list[IndexKey]:
        if self.unavailable:
            raise KeyUnavailable("the database is unavailable")
        self.lookups += 1
        found = [key for key in self.keys.values() if (key.scope, key.index) == (scope, index)]
        return sorted(found, key=lambda key: key.version)

    def replace(self, before: Sequence[IndexKey], after: Sequence[IndexKey]) -> bool:
        stored = set(self.keys.values())
        if not stored.issuperset(before) or (not before and after and self._has(after[0])):
            return False
        for key in before:
            del self.keys[key.scope, key.index, key.version]
        for key in after:
            self.put(key)
        return True

    def _has(self, key: IndexKey) -> bool:
        return (key.scope, key.index, key.version) in self.keys


@dataclass
class World:
    """One service's key service and index keys. Each of its processes declares its own indexes."""

    service: KeyService = field(default_factory=KeyService)
    rows: Rows = field(default_factory=Rows)
    now: float = 1_800_000_000.0

    def process(self, scope: Scope = SHOP) -> BlindIndexes:
        """Return the indexes of a process that creates a key for each index it declares."""
        return CreatedIndexes(self.service, self.rows, scope, now=lambda: self.now)

    def process_without_keys(self) -> BlindIndexes:
        """Return the indexes of a process whose service has no index keys yet."""
        return BlindIndexes(self.service, self.rows, SHOP, now=lambda: self.now)


class CreatedIndexes(BlindIndexes):
    """Indexes whose key is created as soon as they are declared."""

    def index(self, name: str, **options: Any) -> BlindIndex:
        declared = super().index(name, **options)
        declared.create()
        return declared
