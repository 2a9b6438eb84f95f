"""Start of a local deployment on AWS, and what is printed about it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from app_integration.errors import ConfigurationError
from console.steps import Steps
from console.views.columns import print_columns
from local.ports import HOST

if TYPE_CHECKING:
    from local.aws.deployment import AwsUpResult, LocalAwsDeployment


def up_on_aws(console: Console, local: LocalAwsDeployment, services: Sequence[str]) -> None:
    """Start a local deployment on AWS, apply the declaration, and show how it is used."""
    if services:
        raise ConfigurationError(
            "on AWS all services are started together; run up without the names of services"
        )
    result = local.up(Steps(console))
    if result.has_lost_data:
        console.print(
            "[yellow]moto keeps nothing when it stops: secrets and keys are new, and the databases"
            " are empty.[/]"
        )
    if not result.has_changes:
        console.print(_unchanged(result))
    for service, names in result.waiting.items():
        file = escape(str(local.given_file(service, names[0])))
        console.print(
            f"[yellow]The config of {service} is not delivered: no value for {', '.join(names)};"
            f" write each to a file, such as {file}, and run up again.[/]"
        )
    _show(console, local)


def _unchanged(result: AwsUpResult) -> str:
    """Return what up did although nothing that it compares was changed."""
    if result.delivered:
        names = ", ".join(result.delivered)
        return (
            "All servers are running and match the declaration. Delivered by a new process: the "
            f"config of {names}."
        )
    if result.waiting:
        return "All servers are running and match the declaration."
    return "All parts are running and match the declaration: nothing was changed."


def _show(console: Console, local: LocalAwsDeployment) -> None:
    rows = [(each.title, f"{HOST}:{each.port}") for each in local.started.status() if each.port]
    console.print()
    print_columns(console, rows)
    services = [("service", "variables", "delivered")]
    services += [
        (name, str(local.layout.service_env(name)), str(each.live or ""))
        for name, each in local.services.items()
    ]
    console.print()
    print_columns(console, services)
    file = shlex.quote(str(local.layout.dev_env))
    for line in ("", "Use it from any shell:", f"  set -a; . {file}; set +a"):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
