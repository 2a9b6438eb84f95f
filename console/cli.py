"""The command ``strongroom``.

Exit codes: 0; ``plan`` gives 2 when there is something to change; 1 for an error; 64 for a command
that isn't one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from app_integration import names
from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.login import AppRole
from app_integration.session import Session
from console.local import Local
from console.show import show_deployment, show_plan, show_status
from console.steps import Steps
from policies.render import render_policies
from vault.declare.load import load
from vault.reconcile.apply import apply as carry_out
from vault.reconcile.desired import desired
from vault.reconcile.plan import Plan, make_plan, read_actual
from vault.reconcile.supply import Supply
from vault.runtime import ports
from vault.runtime.layout import Layout

USAGE_ERROR: Final = 64
CHANGES: Final = 2
DEFAULT_ROOT: Final = Path(".strongroom")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Take a Python service off .env files and onto Vault, with proof that it holds.",
)
out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

Env = Annotated[str, typer.Option("--env", help="dev, staging or prod")]
Service = Annotated[str, typer.Option("--service", help="a name in vault/declare/services")]
Root = Annotated[Path, typer.Option("--root", help="folder of the local deployment")]
Given = Annotated[
    Path | None,
    typer.Option("--given", help="folder of values that only people can give, by API path"),
]


@app.command()
def up(service: Service = "gaara-store", root: Root = DEFAULT_ROOT) -> None:
    """Start the local deployment, apply the declaration, and show it working."""
    local = _local(root, service)
    done = local.up(Steps(out))
    if not done.changed:
        out.print("Everything runs and is as declared: nothing was changed.")
    show_deployment(out, local)


@app.command()
def down(service: Service = "gaara-store", root: Root = DEFAULT_ROOT) -> None:
    """Stop the local deployment; its data stays."""
    stopped = _local(root, service).down(Steps(out))
    out.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


@app.command()
def status(service: Service = "gaara-store", root: Root = DEFAULT_ROOT) -> None:
    """Tell what runs. Exit code 2 when a part doesn't."""
    statuses = _local(root, service).status()
    show_status(out, statuses)
    if not all(part.running for part in statuses):
        raise typer.Exit(CHANGES)


@app.command()
def reset(
    service: Service = "gaara-store",
    root: Root = DEFAULT_ROOT,
    yes: Annotated[bool, typer.Option("--yes", help="don't ask")] = False,
) -> None:
    """Erase the local deployment: data, keys, passwords, logs."""
    local = _local(root, service)
    if not yes:
        typer.confirm(f"Erase {root.resolve()} with all its data and keys?", abort=True)
    local.reset()
    out.print(f"Erased {root}.")


@app.command()
def plan(env: Env, root: Root = DEFAULT_ROOT, given: Given = None) -> None:
    """Show what apply would change. Exit code 2 when there is something."""
    with _operator(env, root, "strongroom-plan") as session:
        found = _plan(session, env, root, given)
    show_plan(out, found)
    if found.changes:
        raise typer.Exit(CHANGES)


@app.command()
def apply(env: Env, root: Root = DEFAULT_ROOT, given: Given = None) -> None:
    """Make the server what the declaration says."""
    with _operator(env, root, "strongroom-apply") as session:
        found = _plan(session, env, root, given)
        show_plan(out, found)
        carry_out(session, found, lambda change: out.print(f"done: {escape(str(change))}"))


@app.command()
def store(service: Service = "gaara-store", root: Root = DEFAULT_ROOT) -> None:
    """Run the example store on the local deployment, until interrupted."""
    local = _local(root, service)
    variables = {**_inherited(), **local.variables()}
    command = [sys.executable, "-m", "examples.gaara_store"]
    os.execve(sys.executable, command, variables)  # noqa: S606 (our own interpreter, no shell)


def main() -> None:
    """Run the command line; errors become one message and an exit code."""
    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        err.print("Aborted; nothing was changed.")
        sys.exit(1)
    except StrongroomError as error:
        err.print(f"[red]error:[/] {escape(str(error))}", highlight=False)
        sys.exit(1)
    except Exception as error:
        # click's usage errors: the class isn't part of typer's interface.
        if not hasattr(error, "format_message"):
            raise
        err.print(f"strongroom: {escape(error.format_message())}", highlight=False)
        sys.exit(USAGE_ERROR)
    sys.exit(code or 0)


def _local(root: Path, service: str) -> Local:
    return Local(Layout(root.absolute()), ports.from_environment(os.environ), load(), service)


def _operator(env: str, root: Path, role: str) -> Session:
    """A session of the job *role*: by the local deployment's credential, or by files.

    For another environment ``VAULT_ADDR`` may stand in for the declared address, and
    ``STRONGROOM_ROLE_ID_FILE`` and ``STRONGROOM_SECRET_ID_FILE`` name the operator's credential.
    """
    environment = names.environment(env)
    if environment is names.Environment.DEV and "VAULT_ADDR" not in os.environ:
        return _local(root, load().scopes(environment)[0].service).operator(role)
    address = os.environ.get("VAULT_ADDR") or load().environment(environment).vault.address
    if address is None:
        raise ConfigurationError(f"no address is declared for {environment}; set VAULT_ADDR")
    cacert = os.environ.get("VAULT_CACERT")
    files = (os.environ.get("STRONGROOM_ROLE_ID_FILE"), os.environ.get("STRONGROOM_SECRET_ID_FILE"))
    if not all(files):
        raise ConfigurationError(
            f"no credential of {role} is given: set STRONGROOM_ROLE_ID_FILE and "
            "STRONGROOM_SECRET_ID_FILE to its files"
        )
    role_id, secret_id = (Path(file or "") for file in files)
    return Session(address, AppRole(role_id, secret_id), cacert=Path(cacert) if cacert else None)


def _plan(session: Session, env: str, root: Path, given: Path | None) -> Plan:
    environment = names.environment(env)
    declaration, supply = load(), Supply(folder=given)
    if environment is names.Environment.DEV:
        local = _local(root, declaration.scopes(environment)[0].service)
        declaration, supply = local.declaration, local.supply()
    policies = render_policies(declaration, environment)
    resources = desired(declaration, environment, policies, supply)
    return make_plan(resources, read_actual(session, resources))


def _inherited() -> dict[str, str]:
    """Of this shell's variables, what a Python process needs."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ}
