"""A key service and a store of data keys that take no time: what is measured lies above them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app_integration.encryption.keys.stores import WrappedKey


class MemoryService:
    """Wraps nothing."""

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:  # noqa: ARG002 (the port's signature)
        """As given."""
        return [bytes(32) + key for key in data_keys]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:  # noqa: ARG002 (as above)
        """As given."""
        return [key[32:] for key in wrapped]

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:  # noqa: ARG002 (as above)
        """As given."""
        return list(wrapped)

    def version(self, wrapped: bytes) -> int:  # noqa: ARG002 (as above)
        """There is one."""
        return 1


class MemoryRows:
    """Keeps rows in a dict."""

    def __init__(self) -> None:
        self._rows: dict[int, WrappedKey] = {}

    def add(self, key: WrappedKey) -> bool:
        """Keep it."""
        return self._rows.setdefault(key.number, key) is key

    def get(self, numbers: Iterable[int]) -> list[WrappedKey]:
        """What is kept."""
        return [self._rows[number] for number in numbers if number in self._rows]

    def list_by_scope(self, scope: str) -> list[WrappedKey]:  # noqa: ARG002 (as above)
        """Nothing is."""
        return []

    def rewrap(self, key: WrappedKey, wrapped: bytes, version: int) -> bool:
        """Never asked for."""
        raise NotImplementedError
