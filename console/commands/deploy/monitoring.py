"""Commands ``monitoring``: the files for Prometheus, Alertmanager and Grafana, and both locally."""

from __future__ import annotations

import os
from pathlib import Path

import typer
from rich.console import Console

from app_integration.errors import ConfigurationError
from console.options import Root
from console.target.checkout import current_checkout
from console.target.local_folder import DEFAULT_ROOT, local_root, open_layout
from console.views.output_files import BuildFolder, write_files
from local.monitoring.local_monitoring import LocalMonitoring
from local.ports import MonitoringPorts, read_settings
from vault.monitoring.alerts import read_monitoring
from vault.monitoring.files import render_files
from vault.monitoring.targets import declared_targets

app = typer.Typer(no_args_is_help=True, help="Alerts, mail routes and a dashboard.")
console = Console(soft_wrap=True, highlight=False)


@app.callback()
def monitoring() -> None:
    """Write alerts, mail routes and a dashboard, or run them beside the local deployment."""


@app.command()
def build(out: BuildFolder) -> None:
    """Write rules, scrape configuration, mail routes and the dashboard of all environments.

    The files contain no secret. Those of dev are part of the local deployment.
    """
    repository = current_checkout().repository
    declaration = repository.load()
    team = read_monitoring(repository.declaration, declaration)
    targets = declared_targets(declaration, team)
    if not targets:
        raise ConfigurationError(
            "no environment but dev has an address; for dev, run: strongroom monitoring up"
        )
    write_files(out, render_files(team, targets))


@app.command()
def up(root: Root = DEFAULT_ROOT) -> None:
    """Run Prometheus, Alertmanager and the checks beside the local deployment, on this machine."""
    local = _local_monitoring(root)
    started = local.start(current_checkout().repository)
    console.print(f"Started: {', '.join(started)}." if started else "All parts are running.")
    for title, url in local.pages().items():
        console.print(f"{title}: {url}", markup=False)


@app.command()
def down(root: Root = DEFAULT_ROOT) -> None:
    """Stop what `monitoring up` has started. Its data stays."""
    stopped = _local_monitoring(root).stop()
    console.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


def _local_monitoring(root: Path) -> LocalMonitoring:
    layout = open_layout(local_root(root))
    return LocalMonitoring(layout, MonitoringPorts(**read_settings(os.environ, MonitoringPorts)))
