"""Command ``migrate build``: the files that run workers of a migration on other machines."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.jobs import migration_workers
from agent.jobs.definition import PROGRAM
from agent.jobs.scheduled_job import Place
from app_integration import names
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from console.commands.personal_data.migration_options import Plan, Processes, Role
from console.options import Env
from console.target.checkout import current_checkout
from console.views.output_files import BuildFolder, write_files
from migration import plan as plans


class Runner(StrEnum):
    """What runs the workers."""

    COMPOSE = "compose"
    KUBERNETES = "kubernetes"


def build(
    plan: Plan,
    runner: Annotated[Runner, typer.Option("--for", help="what runs the workers there")],
    env: Env,
    image: Annotated[str, typer.Option("--image", help="an image that has the tool")],
    out: BuildFolder,
    workers: Processes = 4,
    role: Role = None,
    program: Annotated[Path, typer.Option("--program", help="the tool there")] = PROGRAM,
    cacert: Annotated[
        Path | None, typer.Option("--cacert", help="PEM file there, of the server's CA")
    ] = None,
) -> None:
    """Write the Job or the service of compose that runs workers of a migration's passes.

    The files have the plan, and no secret. "There" is where the workers run.
    """
    environment = names.parse_environment(env)
    if environment.is_dev:
        raise ConfigurationError(
            "the servers of dev run on this machine; pass --workers to strongroom migrate run"
        )
    declaration = current_checkout().declaration
    scope = Scope(plans.read(plan, declaration).service, environment)
    place = Place(program, cacert, image)
    scheduled = migration_workers.schedule_workers(declaration, scope, place, role)
    builders = {
        Runner.COMPOSE: migration_workers.build_compose,
        Runner.KUBERNETES: migration_workers.build_kubernetes,
    }
    write_files(out, builders[runner](scheduled, plan.read_text("utf-8"), workers))
