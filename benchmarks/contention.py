"""Benchmark of the worst call of two hundred threads that read fifty cached secrets.

    python -m benchmarks.contention [--turns 5]

The floor is the same load on a dict behind a lock. The worst call is that of a thread which waits
for the others, so it tells whether a lock is held for long, or by a thread that was interrupted.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Final

from app_integration import default_client, get_secret
from benchmarks.cold_start import application
from benchmarks.ratio import Case, Result, read_turns, repeated, report

TURNS: Final = 5
SECONDS: Final = 3.0  # of a turn
THREADS: Final = 200
NAMES: Final = [f"api-key-{number}" for number in range(50)]
BAR: Final = 1.5

Read = Callable[[str], object]


def worst_call(read: Read, seconds: float) -> float:
    """Return the seconds of the slowest call of all threads.

    Each thread reads until the time is over. Otherwise the first ones would end before the others
    start, and none would wait.
    """
    start = threading.Barrier(THREADS)

    def run() -> float:
        start.wait()
        worst, end = 0.0, time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            for name in NAMES:
                read(name)
                ended = time.perf_counter()
                worst, began = max(worst, ended - began), ended
        return worst

    with ThreadPoolExecutor(THREADS) as pool:
        return max(each.result() for each in [pool.submit(run) for _ in range(THREADS)])


def locked_dict() -> Read:
    """Return the read of a dict behind a lock."""
    values, lock = dict.fromkeys(NAMES, "a-key"), threading.Lock()

    def read(name: str) -> str:
        with lock:
            return values[name]

    return read


@contextmanager
def cached(audit_mode: str) -> Iterator[None]:
    """Cache the secrets in the default client for the block."""
    with application() as (app, _):
        default_client.configure(replace(app.client.settings, audit_mode=audit_mode))
        for name in NAMES:
            app.put(name, "a-key")
            get_secret(name)
        yield


def compare(audit_mode: str, turns: int, seconds: float = SECONDS) -> Result:
    """Return the median of the worst calls, beside that of the floor."""
    ours, floor = (
        partial(worst_call, get_secret, seconds),
        partial(worst_call, locked_dict(), seconds),
    )
    case = Case(
        f"worst call of {THREADS} threads, {audit_mode}",
        repeated(ours),
        repeated(floor),
        "dict behind a lock",
        bar=BAR,
    )
    with cached(audit_mode):
        pairs = [(ours(), floor()) for _ in range(turns)]
    return Result(case, *(median(each) for each in zip(*pairs, strict=True)))


def main() -> int:
    """Measure all cases and print them."""
    turns = read_turns(__doc__, TURNS)
    return report([compare(mode, turns) for mode in ("each", "aggregate")])


if __name__ == "__main__":
    sys.exit(main())
