"""A progress bar on a terminal, with the time that is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TextIO

_WIDTH: Final = 30  # characters
_INTERVAL: Final = 0.1  # seconds between two updates
_MIB: Final = 2**20


class ProgressBar:
    """A line on a terminal that shows how much of a file is done. Elsewhere it shows nothing."""

    def __init__(
        self,
        total: int | None,
        stream: TextIO,
        clock: Callable[[], float],
    ) -> None:
        """Show nothing yet."""
        self._total = total
        self._stream = stream
        self._clock = clock
        self._started = clock()
        self._shown = float("-inf")
        self._is_visible = stream.isatty()

    def __call__(self, done: int) -> None:
        """Show that *done* bytes are done, at most ten times a second."""
        now = self._clock()
        if self._is_visible and now - self._shown >= _INTERVAL:
            self._shown = now
            line = describe(done, self._total, now - self._started)
            self._stream.write(f"\r\x1b[K{line}")
            self._stream.flush()

    def close(self) -> None:
        """Remove the line."""
        if self._is_visible and self._shown > float("-inf"):
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def describe(done: int, total: int | None, elapsed: float) -> str:
    """Return the line for *done* bytes of *total* after *elapsed* seconds."""
    if not total:
        return f"{done / _MIB:,.0f} MiB"
    share = min(1.0, done / total)
    filled = int(share * _WIDTH)
    left = elapsed * (total - done) / done if done else 0.0
    bar = "#" * filled + "." * (_WIDTH - filled)
    return f"[{bar}] {share:4.0%} of {total / _MIB:,.0f} MiB, {left:,.0f} s left"
