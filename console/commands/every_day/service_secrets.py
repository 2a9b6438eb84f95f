"""Commands ``run`` and ``get``: secrets of a declared service, for a program or for a person."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from app_integration import names
from app_integration.errors import ConfigurationError
from app_integration.host_commands.option_catalogue import RESTART, SECRET_FILE
from app_integration.names import Environment, Scope
from app_integration.observability.audit_log import AuditLog
from app_integration.secret_store.declared_names import check_declared
from console.options import Env, OnlyService, Root
from console.target.local_folder import DEFAULT_ROOT
from console.target.service_client import open_reader, read_local_variables
from console.target.target import open_target
from console.views.escapes import escape_unprintable
from vault.declare.application_variables import setting_variables


def run(
    command: Annotated[list[str], typer.Argument(help="after --, with its arguments")],
    service: OnlyService = None,
    env: Env = Environment.DEV,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="a secret; all declared ones by default")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(SECRET_FILE.flag, metavar=SECRET_FILE.metavar, help=SECRET_FILE.help),
    ] = None,
    restart_on_change: Annotated[
        bool,
        typer.Option(RESTART.flag, help=RESTART.help),
    ] = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Run a program with a service's secrets as variables.

    The login is the service's own, or yours. The program gets no variable of it, but can reach your
    AWS_* variables and ~/.vault-token.
    """
    from app_integration.program import command as host  # noqa: PLC0415 (it loads the file cipher)

    shell, target = dict(os.environ), open_target(env, root)
    scope = target.find_scope(service)
    written = read_local_variables(target, scope.service)
    settings = setting_variables(target.declaration, scope).keys() & written.keys()
    shell = {**{each: written[each] for each in settings}, **shell}
    with open_reader(target, scope) as client:
        places = host.find_places(client.settings, name or (), file or ())
        code = host.run(client, places, command, shell, restarts=restart_on_change)
    sys.exit(code)  # because 130 is the program's interrupt, and not that of this command


def get(
    name: Annotated[str, typer.Argument(help="a declared secret")],
    service: OnlyService = None,
    env: Env = Environment.DEV,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="show a value of another environment than dev")
    ] = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Show the value of a secret on a terminal, and record that.

    It is read from the server, with the service's own login or yours.
    """
    target = open_target(env, root)
    scope = target.find_scope(service)
    check_declared(name, target.declaration.secrets(scope))
    _check_shown(name, scope, is_revealed=reveal)
    with open_reader(target, scope, from_server=True) as client:
        value = client.secrets.get(name).reveal()
        log = AuditLog(scope, client.open_audit_sink(), best_effort=scope.environment.is_dev)
        log.record("get", name, "shown", uid=os.getuid())
    text = escape_unprintable(value, keep="\n\t")
    typer.echo(text)
    if text != value:
        typer.echo(
            f"{name} has characters that are not printable, which are escaped here", err=True
        )


def _check_shown(name: str, scope: Scope, *, is_revealed: bool) -> None:
    """Check that a value may be shown."""
    if not sys.stdout.isatty():
        raise ConfigurationError(
            "get shows a value on a terminal only; in a script, run a command with it: strongroom "
            f"run --service {scope.service} --env {scope.environment} --name {name} -- COMMAND, "
            f"which finds it in {names.variable_name(name)}"
        )
    if not scope.environment.is_dev and not is_revealed:
        raise ConfigurationError(
            f"{scope.environment} is not dev; to show the value of {name} on this terminal, pass "
            "--reveal. Nothing was read"
        )
