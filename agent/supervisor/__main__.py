"""Supervisor that keeps agents running: ``python -m agent.supervisor --agents FOLDER``.

It runs one :mod:`unit <agent.supervisor.agent_unit>` for each ``<name>/run.json`` in the folder,
and notices when one is added, changed or removed. It writes one line of JSON per event to standard
error, beside the agents' own logs and without secrets.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from agent.supervisor.health import describe_problems, read_health
from agent.supervisor.unit_file import LOCK_FILE, UnitFile
from agent.supervisor.unit_metrics import render_unit_metrics
from agent.supervisor.unit_state import utc_now
from app_integration._internal.cli import ArgumentParser
from app_integration._internal.event_log import EventLog
from app_integration._internal.private_file import lock, replace_file
from app_integration.errors import ConfigurationError

#: The node exporter is another user, and the file has names only.
METRICS_MODE: Final = 0o644


def check(folder: Path, metrics: Path | None = None) -> int:
    """Print each unit of *folder* that has not delivered."""
    if not folder.is_dir():
        problems = [f"{folder} is not a folder; name the folder of the units"]
    else:
        units = list(read_health(folder))
        problems = list(describe_problems(units))
        if metrics is not None:
            problems += _write_metrics(metrics, render_unit_metrics(units, utc_now()))
    for problem in problems:
        print(problem)  # noqa: T201 (a command's output)
    return 1 if problems else 0


def _write_metrics(path: Path, text: str) -> list[str]:
    """Replace the file of the metrics, and return why that is not possible, if it is not."""
    try:
        replace_file(path, text.encode(), mode=METRICS_MODE)
    except OSError as error:
        return [f"{path} cannot be written: {error.strerror}; check its folder and permissions"]
    return []


def run_folder(folder: Path) -> int:
    """Run the units of *folder* until SIGTERM or SIGINT."""
    from agent.supervisor import fleet  # noqa: PLC0415 (slow to import, and --check starts often)

    with ExitStack() as stack:
        try:
            stack.enter_context(lock(folder / LOCK_FILE, wait=False))
        except BlockingIOError:
            return _refuse(f"another supervisor runs the units of {folder}; stop it first")
        except OSError as error:
            return _refuse(f"{folder} cannot be used: {error.strerror}; create the folder")
        with suppress(OSError):  # of a full disk, because only the next up reads it
            (folder / LOCK_FILE).write_text(f"{os.getpid()}\n", encoding="ascii")
        fleet.run_folder(folder)
    return 0


def run_file(path: Path) -> int:
    """Run the unit of *path* until SIGTERM or SIGINT."""
    from agent.supervisor import fleet  # noqa: PLC0415 (as in run_folder)

    file = UnitFile.read(path)
    try:
        file.parse()
    except ConfigurationError as error:
        return _refuse(str(error))
    fleet.run_file(file)
    return 0


def main(arguments: Sequence[str]) -> int:
    """Run the supervisor, or check the deliveries of its units."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.metrics is not None:
        if options.check is None:
            parser.error("--metrics is for --check")
        if options.metrics.suffix != ".prom":
            parser.error(f"--metrics {options.metrics} does not end in .prom")
    if options.check is not None:
        return check(options.check, options.metrics)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would contain secrets
    if options.agents is not None:
        return run_folder(options.agents)
    return run_file(options.config)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m agent.supervisor", description="Keep agents running.")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--agents", type=Path, help="run each <name>/run.json in this folder")
    mode.add_argument("--config", type=Path, help="run this one run.json; see RunSettings")
    mode.add_argument(
        "--check", type=Path, help="exit 0 if each unit in this folder has delivered, else 1"
    )
    parser.add_argument(
        "--metrics", type=Path, help="with --check: a .prom file for the node exporter"
    )
    return parser


def _refuse(reason: str) -> int:
    EventLog().write("refused", reason=reason)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
