"""Deadlines by which a call of a test has to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_TRIES: Final = 3


def assert_ends_within(seconds: float, call: Callable[[], object]) -> None:
    """Call *call* until it takes less than *seconds*, at most three times.

    A busy machine makes a call late now and then; one that misses its deadline is late each time.
    """
    durations: list[float] = []
    for _ in range(_TRIES):
        begun = time.monotonic()
        call()
        durations.append(time.monotonic() - begun)
        if durations[-1] < seconds:
            return
    taken = ", ".join(f"{each:.2f}" for each in durations)
    raise AssertionError(f"each call took at least {seconds:.2f} s: {taken}")
