"""Output of ``status``: the parts of a local deployment, and its config files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rich.console import Console
from rich.table import Table

from console.views.columns import print_columns
from local.runtime_interface import Status
from local.services.config_state import ConfigState


def show_status(console: Console, statuses: tuple[Status, ...]) -> None:
    """Print one line for each part of the deployment."""
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "state", "port", "pid", "since"):
        table.add_column(heading)
    for status in statuses:
        problem = status.problem if status.running else "not running"
        state = f"[red]{problem}[/]" if problem else "[green]running[/]"
        since = f"{status.since:%Y-%m-%d %H:%M:%S}" if status.since else ""
        port = str(status.port) if status.port else ""
        table.add_row(status.title, state, port, str(status.pid or ""), since)
    console.print(table)


def show_config_states(console: Console, configs: Mapping[str, ConfigState]) -> None:
    """Print since when each config file is in use, and the state of its last delivery.

    The state has its time and the number of attempts. If a rendered file waits or was rejected, the
    reason is printed too.
    """
    rows = [("service", "file", "in use since", "last rendered", "since", "tries")]
    for service, config in configs.items():
        last = ("", "", "")
        if config.last is not None:
            since = _local_time(datetime.fromisoformat(config.last.since))
            last = (config.last.state, since, str(config.last.attempts))
        rows.append((service, config.live.name, _local_time(config.since), *last))
    print_columns(console, rows)
    for service, config in configs.items():
        if config.last is not None and config.last.reason is not None:
            line = f"{service}: {config.live.name}: {config.last.reason}"
            console.print(line, markup=False, soft_wrap=True)
        for remark in (config.problem, config.note):
            if remark is not None:
                console.print(f"{service}: {remark}", markup=False, soft_wrap=True)


def _local_time(time: datetime | None) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}" if time else ""
