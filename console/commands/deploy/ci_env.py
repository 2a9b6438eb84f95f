"""Command ``ci-env``: a command of a CI job, with secrets of a declared service as variables."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Annotated

import typer

from app_integration import ci_env as host
from app_integration._internal.server_urls import first_address
from console.options import Env, Service
from console.target.target import open_target


def ci_env(
    command: Annotated[list[str], typer.Argument(help="after --, with its arguments")],
    service: Service,
    env: Env,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="a secret; all declared ones by default")
    ] = None,
) -> None:
    """Run a command of a CI job with a service's secrets as variables.

    It is `python -m app_integration ci-env` in a checkout of the deployment's repository, which
    has the declared names, the server's address and its mounts.
    """
    target = open_target(env)
    target.declaration.deployment(target.scope(service))
    target.require_vault()
    declared = target.declared
    own = {} if first_address(os.environ) else declared.vault.variables
    settings = host.read_settings({**os.environ, **own}, service, env)
    settings = replace(
        settings, mounts=declared.mounts, declaration=target.checkout.repository.declaration
    )
    host.run(settings, name or (), command, os.environ)
