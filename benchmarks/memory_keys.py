"""Key services and stores of keys in memory, which add no time to a measurement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from app_integration import default_client
from app_integration.encryption.blind_index.stores import IndexKey
from app_integration.encryption.keys.stores import WrappedKey
from app_integration.testing.application import in_memory


class MemoryService:
    """A key service that adds zero bytes instead of encrypting."""

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:  # noqa: ARG002 (the port's signature)
        """Return each key with zero bytes before it."""
        return [bytes(32) + key for key in data_keys]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:  # noqa: ARG002 (as above)
        """Return each key without the zero bytes."""
        return [key[32:] for key in wrapped]

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:  # noqa: ARG002 (as above)
        """Return *wrapped* unchanged."""
        return list(wrapped)

    def version(self, wrapped: bytes) -> int:  # noqa: ARG002 (as above)
        """Return the only version."""
        return 1


class MemoryRows:
    """A store of data keys in a dict."""

    def __init__(self) -> None:
        self._rows: dict[int, WrappedKey] = {}

    def add(self, key: WrappedKey) -> bool:
        """Store *key* unless its number exists. Return whether it was stored."""
        return self._rows.setdefault(key.number, key) is key

    def get(self, numbers: Iterable[int]) -> list[WrappedKey]:
        """Return the stored keys among *numbers*."""
        return [self._rows[number] for number in numbers if number in self._rows]

    def list_by_scope(self, scope: str) -> list[WrappedKey]:
        """Return the rows of *scope*."""
        return [row for row in self._rows.values() if row.scope == scope]

    def rewrap(self, key: WrappedKey, wrapped: bytes, version: int) -> bool:
        """Replace the wrapped key of a row, unless the row differs from *key* by now.

        See :meth:`DataKeyStore.rewrap`.
        """
        if self._rows.get(key.number) != key:
            return False
        self._rows[key.number] = replace(key, wrapped=wrapped, version=version)
        return True


class MemoryIndexKeys(MemoryService):
    """A key service and a store of index keys in one."""

    def __init__(self) -> None:
        self._rows: list[IndexKey] = []

    @property
    def place(self) -> str:
        """Return the name of the store in errors."""
        return "memory"

    def versions(self, scope: str, index: str) -> list[IndexKey]:  # noqa: ARG002 (as above)
        """Return the stored keys."""
        return self._rows

    def replace(self, before: Sequence[IndexKey], after: Sequence[IndexKey]) -> bool:  # noqa: ARG002 (as above)
        """Replace the stored keys by *after*."""
        self._rows[:] = after
        return True


@contextmanager
def configured() -> Iterator[None]:
    """Configure the default client of a service, with keys in memory."""
    with TemporaryDirectory() as folder, in_memory("shop", Path(folder)) as application:
        # A client with the real clock, because that of the server in memory is slower.
        client = default_client.configure(application.client.settings, session=application.operator)
        client.use_data_keys(MemoryRows())
        client.use_index_keys(MemoryIndexKeys())
        yield
