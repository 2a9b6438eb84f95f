"""Parts for tests of blind indexes: a key service and rows in memory, and time that is told."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.blind_index.stores import IndexKey
from app_integration.errors import KeyUnavailable
from app_integration.names import Environment, Scope

SHOP = Scope("shop", Environment.PROD)
ROWS = 1_000_000


class KeyService:
    """Wraps by remembering; *away* tells that it can't be reached."""

    def __init__(self) -> None:
        self.away = False
        self.known: dict[bytes, tuple[bytes, bytes]] = {}

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        self._reach()
        wrapped = [os.urandom(32) for _ in data_keys]
        self.known |= {one: (key, scope) for one, key in zip(wrapped, data_keys, strict=True)}
        return wrapped

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        self._reach()
        opened = [self.known[one] for one in wrapped]
        return [key if bound == scope else None for key, bound in opened]

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        return [key and self.wrap([key], scope)[0] for key in self.unwrap(wrapped, scope)]

    def version(self, wrapped: bytes) -> int:
        assert wrapped
        return 1

    def _reach(self) -> None:
        if self.away:
            raise KeyUnavailable("the server is away")


class Rows:
    """Index keys in memory."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str, int], IndexKey] = {}
        self.looked_up = 0
        self.away = False

    def add(self, key: IndexKey) -> bool:
        place = (key.scope, key.index, key.version)
        return self.keys.setdefault(place, key) is key

    def versions(self, scope: str, index: str) -> list[IndexKey]:
        if self.away:
            raise KeyUnavailable("the database is away")
        self.looked_up += 1
        mine = [key for key in self.keys.values() if (key.scope, key.index) == (scope, index)]
        return sorted(mine, key=lambda key: key.version)

    def remove(self, key: IndexKey) -> bool:
        return self.keys.pop((key.scope, key.index, key.version), None) is not None


@dataclass
class World:
    """One service's rows and key service; each process of it declares its own indexes."""

    service: KeyService = field(default_factory=KeyService)
    rows: Rows = field(default_factory=Rows)
    now: float = 1_800_000_000.0

    def process(self, scope: Scope = SHOP) -> BlindIndexes:
        return BlindIndexes(self.service, self.rows, scope, now=lambda: self.now)
