"""The command ``strongroom``.

Exit codes: 0; ``plan`` gives 2 when there is something to change; 1 for an error; 64 for a command
that isn't one.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from app_integration.errors import StrongroomError
from app_integration.names import environment
from console import adoption, env_files, environments, operate
from console.plan_view import progress, show_plan
from console.show import show_delivery, show_deployment, show_status
from console.steps import Steps
from vault.reconcile.planning import plan_file
from vault.reconcile.planning.apply import apply as carry_out

USAGE_ERROR: Final = 64
CHANGES: Final = 2
DEFAULT_ROOT: Final = Path(".strongroom")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Take a Python service off .env files and onto Vault, with proof that it holds.",
)
app.add_typer(environments.app, name="environments")
out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

Env = Annotated[str, typer.Option("--env", help="dev, staging or prod")]
Service = Annotated[str, typer.Option("--service", help="a name in vault/declare/services")]
Root = Annotated[Path, typer.Option("--root", help="folder of the local deployment")]
Given = Annotated[
    Path | None,
    typer.Option("--given", help="folder of values that only people can give, by API path"),
]


AdminUrl = Annotated[
    Path | None,
    typer.Option(
        "--admin-url-file", help="a file with the URL of a database user who may grant the user"
    ),
]
PruneFlag = Annotated[
    bool, typer.Option("--prune", help="delete what is ours and declared no more")
]
DestroyData = Annotated[
    list[str] | None,
    typer.Option("--destroy-data", help="with --prune: this key or secret too, by its full name"),
]


@app.command()
def up(service: Service = "gaara-store", root: Root = DEFAULT_ROOT) -> None:
    """Start the local deployment, apply the declaration, and show it working."""
    local = operate.local(root, service)
    done = local.up(Steps(out))
    if done.has_lost_data:
        out.print(
            "[yellow]The secrets server was new and was set up again: what was encrypted before "
            "can't be read any more.[/]"
        )
    if not done.changed:
        out.print("Everything runs and is as declared: nothing was changed.")
    show_deployment(out, local)


@app.command()
def down(service: Service = "gaara-store", root: Root = DEFAULT_ROOT) -> None:
    """Stop the local deployment; its data stays, but for containers."""
    stopped = operate.local(root, service).down(Steps(out))
    out.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


@app.command()
def status(service: Service = "gaara-store", root: Root = DEFAULT_ROOT) -> None:
    """Tell what runs, and which config is in use. Exit code 2 when a part doesn't run."""
    local = operate.local(root, service)
    statuses = local.status()
    show_status(out, statuses)
    delivered = local.last_delivery()
    if delivered is not None:
        out.print()
        show_delivery(out, delivered)
    if not all(part.running for part in statuses):
        raise typer.Exit(CHANGES)


@app.command()
def reset(
    service: Service = "gaara-store",
    root: Root = DEFAULT_ROOT,
    yes: Annotated[bool, typer.Option("--yes", help="don't ask")] = False,
) -> None:
    """Erase the local deployment: data, keys, passwords, logs."""
    local = operate.local(root, service)
    if not yes:
        typer.confirm(f"Erase {root.resolve()} with all its data and keys?", abort=True)
    local.reset()
    out.print(f"Erased {root}.")


@app.command()
def plan(
    env: Env,
    root: Root = DEFAULT_ROOT,
    given: Given = None,
    prune: PruneFlag = False,
    destroy_data: DestroyData = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    file: Annotated[Path | None, typer.Option("--out", help="save it, for apply FILE")] = None,
) -> None:
    """Show what apply would change. Exit code 2 when there is something."""
    removal = operate.removal(env, prune=prune, destroy=destroy_data or ())
    with operate.operator(env, root, "strongroom-plan") as session:
        found = operate.make(session, env, root, given, removal)
    document = plan_file.document(found, environment(env), removal)
    if file is not None:
        plan_file.save(file, document)
    if as_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        show_plan(out, found)
    if found.changes:
        raise typer.Exit(CHANGES)


@app.command()
def apply(
    file: Annotated[Path | None, typer.Argument(help="a plan saved with plan --out")] = None,
    env: Annotated[str | None, typer.Option("--env", help="dev, staging or prod")] = None,
    root: Root = DEFAULT_ROOT,
    given: Given = None,
    prune: PruneFlag = False,
    destroy_data: DestroyData = None,
) -> None:
    """Make the server what the declaration says: all of it, or a saved plan."""
    saved = plan_file.load(file) if file else None
    if (saved is None) == (env is None) or (saved is not None and (prune or destroy_data)):
        raise typer.BadParameter("give either a saved plan alone, or --env")
    name = saved.environment if saved else str(env)
    removal = operate.removal(name, prune=prune, destroy=destroy_data or ())
    with operate.operator(name, root, "strongroom-apply") as session:
        found = operate.make(session, name, root, given, saved.prune if saved else removal)
        if saved is not None:
            saved.check(found)
        show_plan(out, found)
        with progress(out, found) as on_change:
            carry_out(session, found, on_change)


@app.command()
def put(
    name: Annotated[str, typer.Argument(help="a declared secret")],
    service: Service,
    env: Env,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Write a new version of a secret, read from standard input."""
    typed = getpass.getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.read()
    with operate.operator(env, root, "strongroom-apply") as session:
        version = operate.put(session, service, env, name, typed.removesuffix("\n"))
    out.print(f"{name}: version {version}")


@app.command()
def store(service: Service = "gaara-store", root: Root = DEFAULT_ROOT) -> None:
    """Run the example store on the local deployment, until interrupted."""
    local = operate.local(root, service)
    if local.servers.agent_host is None:
        out.print(f"The store runs in a container: http://127.0.0.1:{local.ports.store}")
        return
    variables = {**_inherited(), **local.variables()}
    command = [sys.executable, "-m", "examples.gaara_store"]
    os.execve(sys.executable, command, variables)  # noqa: S606 (our own interpreter, no shell)


@app.command("import-env")
def import_env(
    file: Annotated[Path, typer.Argument(help="the .env file")],
    service: Service,
    env: Env,
    root: Root = DEFAULT_ROOT,
    secret: Annotated[list[str] | None, typer.Option(help="this variable is a secret")] = None,
    setting: Annotated[list[str] | None, typer.Option(help="this one is a plain setting")] = None,
    finish: Annotated[bool, typer.Option("--finish", help="delete the kept old file")] = False,
) -> None:
    """Move a .env file's secrets to the server, and prove that they arrived."""
    deployment = env_files.EnvFiles(service, env, root, out)
    if finish:
        deployment.finish(file)
    else:
        deployment.import_(file, secret or (), setting or ())


@app.command("export-env")
def export_env(
    service: Service,
    env: Env,
    reason: Annotated[str, typer.Option(help="why; it is recorded")],
    file: Annotated[Path, typer.Option("--out", help="where to")] = Path(".env.rollback"),
    root: Root = DEFAULT_ROOT,
) -> None:
    """Write the current values to a private file, for a rollback; recorded."""
    env_files.EnvFiles(service, env, root, out).export(file, reason)


@app.command("adopt")
def adopt(
    name: Annotated[str, typer.Argument(help="a given secret that is a database URL")],
    service: Service,
    env: Env,
    root: Root = DEFAULT_ROOT,
    admin_url_file: AdminUrl = None,
    undo: Annotated[bool, typer.Option("--undo", help="back to a plain value")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="don't ask")] = False,
) -> None:
    """Have the server set the password of an imported database URL, every 30 days or as declared.

    The password of now ends; who else is logged in with it is shown first. After a failure or a
    kill run it again, or go back with --undo.
    """
    place = adoption.Adoption(service, env, root, out, admin_url_file)
    if undo:
        place.undo(name)
    else:
        place.adopt(name, yes=yes)


@app.command("rotate-password")
def rotate_password(
    name: Annotated[str, typer.Argument(help="an adopted secret")],
    service: Service,
    env: Env,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Have the server set another password of an adopted secret now, and restart the agent."""
    adoption.Adoption(service, env, root, out).rotate(name)


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
    except OSError as error:
        # A full disk or a folder that is gone needs no traceback.
        where = f"{error.filename}: " if error.filename else ""
        what = error.strerror or type(error).__name__
        err.print(f"[red]error:[/] {escape(f'{where}{what}')}", highlight=False)
        sys.exit(1)
    except Exception as error:
        # click's usage errors: the class isn't part of typer's interface.
        if not hasattr(error, "format_message"):
            raise
        err.print(f"strongroom: {escape(error.format_message())}", highlight=False)
        sys.exit(USAGE_ERROR)
    sys.exit(code or 0)


def _inherited() -> dict[str, str]:
    """Of this shell's variables, what a Python process needs."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ}
