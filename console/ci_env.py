"""Command ``ci-env``: a command of a CI job, with secrets of a declared service as variables."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Annotated

import typer

from app_integration import ci_env as host
from app_integration import names
from app_integration._internal.server_urls import first_address
from app_integration.names import Scope
from console import operate
from console.operator_session import check_on_vault
from console.options import Env, Service


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
    repository, scope = operate.repository(), Scope(service, names.parse_environment(env))
    declaration = repository.load()
    declaration.deployment(scope)
    declared = declaration.environment(scope.environment)
    check_on_vault(declared)
    own = {} if first_address(os.environ) else declared.vault.variables
    settings = host.read_settings({**os.environ, **own}, service, env)
    settings = replace(settings, mounts=declared.mounts, declaration=repository.declaration)
    host.run(settings, name or (), command, os.environ)
