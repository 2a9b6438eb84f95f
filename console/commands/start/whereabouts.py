"""Command ``strongroom`` alone: where you are, and the next command."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import typer

from console.target.checkout import current_checkout, declaration_folder
from console.target.local_folder import local_root
from local.layout import Layout
from local.runtimes.runtime_choice import started_on
from vault.declare.repository_root import find_root

_FIRST_STEPS: Final = """\
{folder} is in no repository of a deployment.

First steps:
  strongroom init FOLDER                              writes the repository of one
  cd FOLDER
  strongroom import-env FILE --service NAME --create  moves an application's .env file there
  strongroom run -- COMMAND                           runs the application
"""
_IN_REPOSITORY: Final = """\
Repository:        {root}
Environments:      {environments}
Services:          {services}
Local deployment:  {state}

Next:              {next.command}
                   {next.effect}"""


class LocalState(StrEnum):
    """State of the local deployment, as far as this machine's processes show it."""

    NEVER_STARTED = "never started"
    STOPPED = "stopped"
    INCOMPLETE = "running, but some of its parts have ended"
    IN_CONTAINERS = "in containers"
    RUNNING = "running"


class Next(NamedTuple):
    """The next command, and what it does."""

    command: str
    effect: str


def find_next(services: Sequence[str], state: LocalState) -> Next:
    """Return the command that leads on in a repository."""
    if not services:
        return Next(
            "strongroom import-env FILE --service NAME --create",
            "takes a .env file; without one: strongroom new service NAME",
        )
    if state is LocalState.IN_CONTAINERS:
        return Next("strongroom status", "shows which of its parts run")
    if state is not LocalState.RUNNING:
        return Next("strongroom up", "starts it, and applies what is declared")
    option = "" if len(services) == 1 else f"--service {services[0]} "
    return Next(f"strongroom run {option}-- COMMAND", "runs a program with a service's secrets")


def find_state(layout: Layout) -> LocalState:
    """Return the state of the deployment in *layout*. No server and no engine is asked."""
    runtime = started_on(layout)
    if runtime in ("", "docker"):
        return LocalState.IN_CONTAINERS if runtime else LocalState.NEVER_STARTED
    from local.processes.processes import ProcessManager  # noqa: PLC0415 (loads psutil)

    processes = ProcessManager(layout)
    running = {processes.find(name) is not None for name in processes.names()}
    if True not in running:
        return LocalState.STOPPED
    return LocalState.INCOMPLETE if False in running else LocalState.RUNNING


def show_whereabouts() -> None:
    """Print where you are and the next command; outside of a repository, the first steps."""
    here = Path.cwd()
    if declaration_folder() is None and find_root(here) is None:
        typer.echo(_FIRST_STEPS.format(folder=here))
    else:
        typer.echo(_describe())
    typer.echo("All commands:      strongroom --help")


def _describe() -> str:
    # The files are not read, so that a fault in one hides nothing of this.
    found = current_checkout().repository
    environments, services = (
        sorted(path.stem for path in (found.declaration / name).glob("*.yaml"))
        for name in ("environments", "services")
    )
    state = find_state(Layout(local_root()))
    return _IN_REPOSITORY.format(
        root=found.root,
        environments=", ".join(environments) or "none",
        services=", ".join(services) or "none",
        state=state,
        next=find_next(services, state),
    )
