"""Command ``strongroom put``: a new version of a secret, on Vault or on AWS."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

import typer

from app_integration._internal.server_urls import is_postgresql
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from aws.environment import write_aws_secret
from console.options import Env, OnlyService, Root
from console.target.local_folder import DEFAULT_ROOT
from console.target.sessions import open_explained_session
from console.target.target import open_target
from console.views.questions import read_hidden
from console.views.restarts import describe_restarts
from vault.declare.declaration import Declaration
from vault.declare.errors import hint_names
from vault.declare.schema.adopted_secret import Adopted
from vault.declare.schema.model import ServiceDeclaration
from vault.declare.server_names import APPLY_JOB
from vault.reconcile.resources.kv import write_value
from vault.reconcile.resources.ownership import Owner, check_secret_owner


def put(
    name: Annotated[str, typer.Argument(help="a declared secret")],
    values: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    service: OnlyService = None,
    env: Env = Environment.DEV,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Write a new version of a secret, which is typed or read from standard input.

    On a terminal, it is asked for, and what is typed is not shown. It says who must restart.
    """
    if values:  # which typer would show in its error
        raise typer.BadParameter(
            f"put reads the value from standard input: strongroom put {name} < FILE, with the same "
            "options; the one in the command line is in the shell's history now, so use another"
        )
    target = open_target(env, root)
    declaration, scope = target.declaration, target.find_scope(service)
    check_writable(declaration, scope, name)
    value = read_hidden(name).removesuffix("\n")
    check_value(name, value)
    check_url(declaration.service(scope.service), name, value)
    changed = datetime.now(UTC)
    if target.is_on_aws:
        write_aws_secret(declaration, scope, name, Secret(value))
        typer.echo(f"{name}: a new version")
    else:
        with open_explained_session(target, APPLY_JOB) as session:
            version = write_secret(session, declaration, scope, name, value)
        typer.echo(f"{name}: version {version}")
    for line in describe_restarts(declaration, scope, name, changed, target.access_records):
        typer.echo(line)


def write_secret(
    session: Session, declaration: Declaration, scope: Scope, name: str, value: str
) -> int:
    """Write a new version of a secret, and return its number."""
    owner = Owner.of(declaration.environment(scope.environment))
    check_secret_owner(session, owner, scope.secret(name))
    return write_value(session, scope.secret(name), Secret(value), mount=owner.mounts.kv)


def check_writable(declaration: Declaration, scope: Scope, name: str) -> None:
    """Check that an operator may write the secret *name*."""
    declared = declaration.secrets(scope)
    if name not in declared:
        raise ConfigurationError(
            f"{scope} has no secret {name!r}{hint_names(name, declared)}; declare a new one "
            f"under secrets in services/{scope.service}.yaml"
        )
    if name not in declaration.own_secrets(scope):
        arn = declaration.secret_id(scope, name)
        raise ConfigurationError(
            f"{name} is the secret {arn} in {scope.environment}, and not of this deployment; ask "
            "its owner to write it"
        )
    if isinstance(declared[name], Adopted):
        raise ConfigurationError(
            f"{name} is adopted, so the server sets its password; to set another one now, run "
            f"strongroom rotate-password {name}; to go back, run strongroom adopt {name} --undo"
        )


def check_value(name: str, value: str) -> None:
    """Check that *value* is a whole one."""
    if not value:
        raise ConfigurationError(
            f"the value of {name} is empty; pass it on standard input: strongroom put {name} < "
            "FILE, with the same options"
        )
    if value.startswith("-----BEGIN ") and "-----END " not in value:
        raise ConfigurationError(
            f"the value of {name} is the beginning of a PEM block only; pass its whole file on "
            f"standard input: strongroom put {name} < FILE, with the same options"
        )


def check_url(service: ServiceDeclaration, name: str, value: str) -> None:
    """Check that *value* is a URL, if it is to be that of the database or Redis of *service*."""
    if name == "database-url" and service.database and not _is_database_url(value):
        title, example = "a PostgreSQL database", "postgresql+psycopg://HOST:PORT/NAME"
    elif name == "redis-url" and service.redis and not _is_redis_url(value):
        title, example = "a Redis server", "redis://HOST:PORT/0"
    else:
        return
    raise ConfigurationError(
        f"the value of {name} is not the URL of {title}; pass one such as {example}, and "
        "percent-encode special characters in its parts"
    )


def _is_database_url(value: str) -> bool:
    """Return whether the SDK can read *value*, for any driver of PostgreSQL or none."""
    # Few commands need it, and it takes long.
    from app_integration.database.engine import url_without_credentials  # noqa: PLC0415 (as above)

    try:
        url = url_without_credentials(value)
    except ConfigurationError:
        return False
    return is_postgresql(url.drivername)


def _is_redis_url(value: str) -> bool:
    """Return whether redis-py, which is not installed everywhere, can read *value*."""
    try:
        _ = urlsplit(value).port  # raises for one that is no number
    except ValueError:
        return False
    return value.startswith(("redis://", "rediss://", "unix://"))
