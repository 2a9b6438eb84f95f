"""Processor time of processes, compared with that of others in the same run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

#: A process that imports the libraries of the command line, and does nothing.
FLOOR: Final = (sys.executable, "-c", "import typer, rich.console")


def strongroom(*arguments: str) -> tuple[str, ...]:
    """Return the command line of the tool, as its users start it."""
    return (str(Path(sys.executable).with_name("strongroom")), *arguments)


def times_of_floor(command: tuple[str, ...], turns: int = 10) -> float:
    """Return how many times the processor time of the floor *command* takes.

    Both run in turn, and the least of each counts, because other processes can only add to it.
    """
    taken = [(_run(FLOOR), _run(command)) for _ in range(turns)]
    return min(own for _, own in taken) / min(floor for floor, _ in taken)


def _run(command: tuple[str, ...]) -> float:
    """Run *command* without its output, and return the seconds of its processor time."""
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=silent)
    _, status, used = os.wait4(pid, 0)
    assert status == 0, command
    return used.ru_utime + used.ru_stime
