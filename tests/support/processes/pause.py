"""Processes that are paused: they live, and answer nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.polling import wait_until


def pause(pid: int) -> None:
    """Pause a process.

    Its other threads run on for a moment after the signal, and may answer a request meanwhile.
    """
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")
    wait_until(lambda: all(map(_is_paused, threads.glob("*/stat"))), f"{pid} is paused")


def resume(pid: int) -> None:
    """Let a paused process go on."""
    os.kill(pid, signal.SIGCONT)


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """Pause a process during the block."""
    pause(pid)
    try:
        yield
    finally:
        resume(pid)


def _is_paused(stat: Path) -> bool:
    return stat.read_text().rpartition(")")[2].split()[0] == "T"
