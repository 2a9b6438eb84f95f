"""Benchmark of a blind index value against copying and updating an HMAC.

python -m benchmarks.index
"""

from __future__ import annotations

import hmac
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from app_integration.encryption.blind_index.registry import BlindIndexes
from app_integration.names import Environment, Scope
from benchmarks.memory_keys import MemoryIndexKeys
from benchmarks.ratio import Case, measure, repeated, report

VALUE = "gaara@example.com"
TURNS = 15


@contextmanager
def cases() -> Iterator[Iterator[Case]]:
    """Yield the only case, which needs no server."""
    keys = MemoryIndexKeys()
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
    """Measure the case and print it."""
    with cases() as each:
        found = [measure(case, TURNS) for case in each]
    return report(found)


if __name__ == "__main__":
    sys.exit(main())
