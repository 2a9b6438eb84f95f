"""Benchmark of the start of commands, against a process that imports their libraries.

    python -m benchmarks.commands [--turns 9]

Each process prints the help of one command, so that it imports the command's module and does no
more. The floor imports the libraries of the command line and of the declaration: Typer with Rich,
pydantic and ruamel.yaml. The time is the processor's.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from resource import RUSAGE_CHILDREN, getrusage
from typing import Final

from benchmarks.cold_start import compiling
from benchmarks.ratio import Case, Run, run_cases

TURNS: Final = 9
COMMANDS: Final = ("plan", "put", "status", "import-env", "audit report", "rotate")
_FLOOR: Final = "import typer, typer.rich_utils, pydantic.main, rich.console, ruamel.yaml"
_COMMAND: Final = "import sys; sys.argv[1:] = {arguments}; from console.cli import main; main()"


def children_cpu() -> float:
    """Return the seconds of processor time of all child processes that have ended."""
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def cases() -> Iterator[list[Case]]:
    """Yield a case for each command."""
    floor = _process(_FLOOR)
    yield [
        Case(
            f"strongroom {name} --help",
            _process(_COMMAND.format(arguments=[*name.split(), "--help"])),
            floor,
            "import of its libraries",
            calls=1,
            clock=children_cpu,
        )
        for name in COMMANDS
    ]


def _process(code: str) -> Run:
    variables = compiling()

    def run(times: int) -> None:
        for _ in range(times):
            command = [sys.executable, "-c", code]
            subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)

    run(1)  # compiles the modules
    return run


if __name__ == "__main__":
    sys.exit(run_cases(__doc__, cases, TURNS))
