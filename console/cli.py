"""Command line ``strongroom``.

The exit code is 0; 1 after an error; 64 after a wrong command line; and 2 if ``plan`` has changes,
``copy-secrets --dry-run`` has something to copy, ``audit anomalies``, ``audit devices``,
``audit ingest``, ``audit verify``, ``check``, ``doctor``, ``environments diff``, ``ledger``,
``logs read``, ``policies explain``, ``policies test``, ``rollout watch`` or ``backups`` finds
something, ``migrate`` must wait, or ``status`` finds a part that is not running.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from app_integration.errors import StrongroomError
from app_integration.names import parse_environment
from console import (
    adoption,
    agent_build,
    authoring,
    backup,
    bootstrap,
    ci_env,
    cost,
    credentials,
    doctor,
    env_files,
    env_import,
    environment_plan,
    environments,
    file_encryption,
    ledger,
    logs,
    migrate,
    monitoring,
    operate,
    policies,
    put,
    rollout,
    rotation,
    rotation_function,
    secret_copy,
    stored_keys,
    units,
)
from console.audit import app as audit
from console.escapes import escape_unprintable
from console.example_services import run_examples
from console.local_aws_view import up_on_aws
from console.local_choice import local_aws
from console.local_ports import ALL
from console.options import ENV, Env, Given, Root
from console.page import command as page
from console.plan_session import open_plan_session
from console.plan_view import progress, show_plan
from console.policy_check import find_warnings
from console.show import show_config_states, show_deployment, show_status
from console.steps import Steps
from vault.reconcile.planning import plan_file
from vault.reconcile.planning.apply import apply as apply_plan

USAGE_ERROR: Final = 64
CHANGES: Final = 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Take a Python service off .env files and onto Vault, with proof that it holds.",
)
app.add_typer(environments.app, name="environments")
app.add_typer(agent_build.app, name="agent")
app.add_typer(audit.app, name="audit")
app.add_typer(logs.app, name="logs")
app.add_typer(authoring.app, name="new")
app.add_typer(migrate.app, name="migrate")
app.add_typer(monitoring.app, name="monitoring")
app.add_typer(policies.app, name="policies")
app.add_typer(rollout.app, name="rollout")
for command in (
    authoring.init,
    authoring.check,
    authoring.schema,
    bootstrap.bootstrap,
    ci_env.ci_env,
    cost.cost,
    credentials.issue_secret_id,
    credentials.unwrap,
    doctor.doctor,
    env_import.import_env,
    file_encryption.encrypt_file,
    file_encryption.decrypt_file,
    file_encryption.inspect_file,
    file_encryption.rewrap_file,
    env_files.export_env,
    ledger.ledger,
    put.put,
    page.console,
    adoption.rotate_password,
    rotation.rotate,
    rotation_function.rotation_function,
    secret_copy.copy_secrets,
    stored_keys.migrate_keys,
    stored_keys.rewrap_keys,
    units.units,
    backup.backup_database,
    backup.restore_database,
    backup.backups,
):
    app.command()(command)
app.command("adopt")(adoption.adopt_secret)
out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True, emoji=False)

PruneFlag = Annotated[
    bool, typer.Option("--prune", help="delete managed resources that are no longer declared")
]
DestroyData = Annotated[
    list[str] | None,
    typer.Option("--destroy-data", help="with --prune: delete this key or secret too (full name)"),
]


@app.command()
def up(
    services: Annotated[
        list[str] | None, typer.Argument(help="services that get an agent; all if none is named")
    ] = None,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Start the local deployment, apply the declaration, and show how it works."""
    if on_aws := local_aws(root, movable=ALL):
        up_on_aws(out, on_aws, services or ())
        return
    local = operate.startable_deployment(root)
    result = local.up(Steps(out), services or ())
    if result.has_lost_data:
        out.print(
            "[yellow]The secrets server had lost its data and was set up again: data that was "
            "encrypted before cannot be decrypted any more.[/]"
        )
    if not result.has_changes:
        out.print("All parts are running and match the declaration: nothing was changed.")
    show_deployment(out, local, services or ())


@app.command()
def image(
    tag: Annotated[str, typer.Option("--tag", help="the image's name")] = "strongroom-tool:local",
) -> None:
    """Build the image of this tool, which the containers of a repository begin from."""
    from vault.runtime.docker import engine, tool_image  # noqa: PLC0415 (the package docker is not everywhere)

    engine.require_engine()
    tool_image.build(tag)
    out.print(f"Built {tag}.", markup=False)


@app.command()
def down(root: Root = operate.DEFAULT_ROOT) -> None:
    """Stop the local deployment. Its data stays, except in containers."""
    stopped = operate.stoppable_servers(root).down(Steps(out))
    out.print(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


@app.command()
def status(root: Root = operate.DEFAULT_ROOT) -> None:
    """Show which parts run and which configs are in use. Exit code 2 if a part does not run."""
    local = local_aws(root) or operate.local_deployment(root)
    statuses = local.status()
    show_status(out, statuses)
    configs = local.read_config_states()
    if configs:
        out.print()
        show_config_states(out, configs)
    if not all(part.running for part in statuses):
        raise typer.Exit(CHANGES)


@app.command()
def reset(
    root: Root = operate.DEFAULT_ROOT,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Erase the local deployment: its data, keys, passwords and logs."""
    local = operate.stoppable_servers(root)
    if not yes:
        typer.confirm(f"Erase {root.resolve()} with all its data and keys?", abort=True)
    local.reset()
    out.print(f"Erased {root}.")


@app.command()
def plan(
    env: Env,
    root: Root = operate.DEFAULT_ROOT,
    given: Given = None,
    prune: PruneFlag = False,
    destroy_data: DestroyData = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    file: Annotated[Path | None, typer.Option("--out", help="save it, for apply FILE")] = None,
) -> None:
    """Show what apply would change. Exit code 2 if there are changes."""
    options = environment_plan.prune_options(env, prune=prune, destroy=destroy_data or ())
    for warning in find_warnings(operate.repository()):
        err.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)
    with open_plan_session(env, root, "strongroom-plan") as session:
        found = environment_plan.build_environment_plan(session, env, root, given, options)
    document = plan_file.document(found, parse_environment(env), options)
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
    env: Annotated[str | None, ENV] = None,
    root: Root = operate.DEFAULT_ROOT,
    given: Given = None,
    prune: PruneFlag = False,
    destroy_data: DestroyData = None,
) -> None:
    """Apply the declaration to the server, or apply a saved plan."""
    saved = plan_file.load(file) if file else None
    if (saved is None) == (env is None) or (saved is not None and (prune or destroy_data)):
        raise typer.BadParameter("pass either a saved plan alone, or --env")
    name = operate.resolve_environment(saved.environment) if saved else str(env)
    options = environment_plan.prune_options(name, prune=prune, destroy=destroy_data or ())
    with open_plan_session(name, root, "strongroom-apply") as session:
        found = environment_plan.build_environment_plan(
            session, name, root, given, saved.prune if saved else options
        )
        if saved is not None:
            saved.require_current(found)
        show_plan(out, found)
        with progress(out, found) as on_change:
            apply_plan(session, found, on_change)


@app.command()
def store(root: Root = operate.DEFAULT_ROOT) -> None:
    """Run the example services on the local deployment until they are interrupted."""
    if on_aws := local_aws(root, movable=("store",)):
        on_aws.read_keys()
        raise typer.Exit(run_examples(on_aws, "aws"))
    local = operate.local_deployment(root, movable=("store",))
    if local.servers.agent_host is None:
        out.print(f"The store runs in a container: http://127.0.0.1:{local.ports.store}")
        return
    raise typer.Exit(run_examples(local, "vault"))


def main() -> None:
    """Run the command line. An error becomes one message and an exit code.

    Raises:
        SystemExit: Always, with the exit code.

    """
    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        err.print("Aborted; nothing was changed.")
        sys.exit(1)
    except StrongroomError as error:
        text = escape_unprintable(str(error), keep="\n\t")  # a hook's text may be in it
        err.print(f"[red]error:[/] {escape(text)}", highlight=False)
        sys.exit(1)
    except OSError as error:
        # No traceback, because the cause is for example a full disk or a missing folder.
        path = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or type(error).__name__
        err.print(f"[red]error:[/] {escape(f'{path}{reason}')}", highlight=False)
        sys.exit(1)
    except Exception as error:
        # Recognise click's usage errors by a method, because typer does not export the class.
        if not hasattr(error, "format_message"):
            raise
        err.print(f"strongroom: {escape(error.format_message())}", highlight=False)
        sys.exit(USAGE_ERROR)
    sys.exit(code or 0)
