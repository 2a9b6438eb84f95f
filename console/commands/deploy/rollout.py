"""Command ``rollout watch``: whether a switch from one colour of a service to another goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final

import typer
from rich.console import Console

from console.commands.deploy.colours import find_role
from console.options import Env, PrometheusUrl, RulesFile, Service, build_duration_parser
from console.target.target import open_target
from vault.declare import source_file
from vault.prometheus.client import query_prometheus
from vault.rollout.decision import Colours, Finding
from vault.rollout.rules import FILE, read_rules
from vault.rollout.watch import Pace, Rollout, watch

#: Exit code if a trigger has fired, or what it needs is not known at the end.
STOPPED: Final = 2
INTERVAL: Final = 15  # seconds

Duration = Annotated[
    int,
    typer.Option(
        "--for",
        parser=build_duration_parser("--for", "1s", "1d"),
        metavar="DURATION",
        help="how long the new colour must hold: 10m",
    ),
]
Interval = Annotated[
    int | None,
    typer.Option(
        "--interval",
        parser=build_duration_parser("--interval", "1s", "1h"),
        metavar="DURATION",
        help="time between two looks, by default 15s",
    ),
]

app = typer.Typer(no_args_is_help=True, help="Watch a switch from one colour to another.")
out = Console(soft_wrap=True, highlight=False)


@app.callback()
def rollout() -> None:
    """Watch a switch from one colour to another."""


@app.command("watch")
def watch_rollout(
    service: Service,
    env: Env,
    new: Annotated[str, typer.Option("--new", help="the colour that requests go to now")],
    old: Annotated[str, typer.Option("--old", help="the colour that they went to before")],
    prometheus: PrometheusUrl,
    duration: Duration,
    interval: Interval = None,
    rules: RulesFile = None,
) -> None:
    """Look at the metrics of both colours. Exit code 2 if a trigger fires, or is not known."""
    colours, target = _colours(new, old), open_target(env)
    declaration, scope = target.declaration, target.scope(service)
    if declaration.deployment(scope).colours:
        find_role(declaration, scope, new)
        find_role(declaration, scope, old)
    file = rules or source_file.find(target.checkout.repository.declaration, FILE)
    found = watch(
        Rollout(scope, colours, read_rules(file, service, declaration.services)),
        partial(query_prometheus, prometheus),
        Pace(duration, interval or INTERVAL),
        clock=time.monotonic,
        sleep=time.sleep,
        show=_show,
    )
    for each in found:
        out.print(f"{new} does not go on: {each}", markup=False)
    if found:
        raise typer.Exit(STOPPED)
    out.print(f"{new} goes on: no trigger fired.", markup=False)


def _colours(new: str, old: str) -> Colours:
    for option, colour in (("--new", new), ("--old", old)):
        if not colour.replace("-", "").isalnum() or not colour.isascii():
            raise typer.BadParameter(f"{option} is {colour!r}; expected letters, digits and '-'")
    if new == old:
        raise typer.BadParameter(f"--new and --old are both {new!r}; name two colours")
    return Colours(new, old)


def _show(findings: Sequence[Finding]) -> None:
    """Print one line for a look."""
    out.print(f"{datetime.now(UTC):%H:%M:%S} {' | '.join(map(str, findings))}", markup=False)
