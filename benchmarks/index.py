"""Benchmark of a blind index value against copying and updating an HMAC.

python -m benchmarks.index
"""

from __future__ import annotations

import hmac
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.encryption.blind_index.stores import IndexKey
from app_integration.names import Environment, Scope
from benchmarks.ratio import Case, measure, repeated, report

VALUE = "gaara@example.com"
TURNS = 15


class _MemoryKeys:
    """A key service and key store in memory, which are not part of the measurement."""

    def __init__(self) -> None:
        self._rows: list[IndexKey] = []

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:  # noqa: ARG002 (the port's signature)
        """Return the keys unchanged."""
        return list(data_keys)

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:  # noqa: ARG002 (as above)
        """Return the keys unchanged."""
        return list(wrapped)

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:  # noqa: ARG002 (as above)
        """Return the keys unchanged."""
        return list(wrapped)

    def version(self, wrapped: bytes) -> int:  # noqa: ARG002 (as above)
        """Return the only version."""
        return 1

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
def cases() -> Iterator[Iterator[Case]]:
    """Yield the only case, which needs no server."""
    keys = _MemoryKeys()
    indexes = BlindIndexes(keys, keys, Scope("shop", Environment.DEV))
    index = indexes.index("users.email", rows=1_000_000)
    index.create()
    mac, encoded = hmac.new(os.urandom(32), b"label", "sha256"), VALUE.encode()

    def copied() -> bytes:
        one = mac.copy()
        one.update(encoded)
        return one.digest()

    subject = repeated(lambda: index.value(VALUE))
    yield iter([Case("blind index", subject, repeated(copied), "hmac.copy", bar=1.5)])


def main() -> int:
    """Measure the case and print it.

    Returns:
        The exit code: 2 if the case exceeds its bar.

    """
    with cases() as each:
        found = [measure(case, TURNS) for case in each]
    return report(found)


if __name__ == "__main__":
    sys.exit(main())
