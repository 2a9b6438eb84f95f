"""Command ``strongroom put``: a new version of a secret, on Vault or on AWS."""

from __future__ import annotations

from typing import Annotated

import typer

from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from console import operate
from console.aws_environment import write_aws_secret
from console.operator_session import open_operator_session
from console.options import Env, Root, Service
from console.questions import read_hidden


def put(
    name: Annotated[str, typer.Argument(help="a declared secret")],
    service: Service,
    env: Env,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Write a new version of a secret, read from standard input."""
    declaration, scope = operate.load_declaration(), Scope(service, Environment(env))
    operate.check_writable(declaration, scope, name)
    value = read_hidden(name).removesuffix("\n")
    if declaration.environment(scope.environment).aws is not None:
        operate.check_written(declaration, scope, name, value)
        write_aws_secret(declaration, scope, name, Secret(value))
        typer.echo(f"{name}: a new version")
        return
    with open_operator_session(env, root, "strongroom-apply") as session:
        version = operate.write_secret(session, service, env, name, value)
    typer.echo(f"{name}: version {version}")
