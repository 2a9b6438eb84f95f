"""Process that writes the files of the checks for a local deployment's node exporter.

Run as ``python -m local.monitoring.checks``, with the folder of the deployment, and that of the
files.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

#: Seconds between two rounds, below the shortest threshold of an alert about a check.
INTERVAL: Final = 240.0
#: Seconds for one check.
TIMEOUT: Final = 200.0


def commands(root: Path, folder: Path) -> Iterator[list[str]]:
    """Yield the command of each check."""
    python = [sys.executable, "-P", "-m"]
    environment = ["--env", "dev", "--root", str(root)]
    for name, words in (
        ("devices", ["audit", "devices"]),
        ("anomalies", ["audit", "anomalies"]),
        ("ledger", ["ledger"]),
    ):
        metrics = ["--metrics", str(folder / f"{name}.prom")]
        yield [*python, "console", *words, *environment, *metrics]
    metrics = ["--metrics", str(folder / "agents.prom")]
    yield [*python, "agent.supervisor", "--check", str(root / "agent"), *metrics]


def run_checks(root: Path, folder: Path) -> None:
    """Run each check once. One that fails leaves its file, whose age an alert notices."""
    for command in commands(root, folder):
        try:
            subprocess.run(command, timeout=TIMEOUT, stdout=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired:
            sys.stderr.write(f"{' '.join(command)}: not done after {TIMEOUT:g} s\n")


def main(root: str, folder: str) -> None:
    """Run the checks until the process is stopped."""
    while True:
        run_checks(Path(root), Path(folder))
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main(*sys.argv[1:])
