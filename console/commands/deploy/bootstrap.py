"""Command ``bootstrap``: the first apply on a server, with an administrator's token."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app_integration.auth.credential_file import read_credential
from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from console.options import Env, Given, WrapTtl
from console.steps import Steps
from console.target.environment_plan import apply_changed_declaration
from console.target.sessions import open_session_on_server
from console.target.target import Target, open_remote_target
from console.views.output_files import CredentialFolder
from console.views.questions import read_hidden
from policies.render import render_policies, scoped_apply_policy
from vault.bootstrap.bootstrap import Bootstrap, Result
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import APPLY_JOB, JOBS, ROTATOR_JOB
from vault.dotenv.worktree import check_ignored
from vault.reconcile import wrapped_secret_id
from vault.reconcile.desired.desired import apply_role_resources, desired_resources
from vault.reconcile.inputs import Inputs

out = Console(soft_wrap=True)


def bootstrap(
    env: Env,
    folder: CredentialFolder,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="file with the token; standard input by default"),
    ] = None,
    given: Given = None,
    audit_elsewhere: Annotated[
        bool,
        typer.Option("--audit-elsewhere", help="there is an audit device that I cannot see here"),
    ] = False,
    wrap_ttl: WrapTtl = None,
) -> None:
    """Apply to a new server for the first time, with an administrator's token.

    The token prepares the apply role, and is revoked at the end if it has the policy root. After a
    kill, run the command again, also with the same token.
    """
    check_ignored(folder)
    prepared = _bootstrap(open_remote_target(env), folder, given, wrap_ttl)
    result = prepared.run(_read_token(token_file), audit_elsewhere=audit_elsewhere)
    _show(result, prepared.declared)


def _bootstrap(target: Target, folder: Path, given: Path | None, wrap_ttl: int | None) -> Bootstrap:
    inputs = Inputs(folder=given)
    declaration, declared, environment = target.declaration, target.declared, target.environment
    policies = render_policies(declaration, environment)
    scoped = scoped_apply_policy(declaration, environment) if declared.is_scoped else None
    resources = desired_resources(declaration, environment, policies, inputs)
    return Bootstrap(
        declared,
        apply_role_resources(declared, resources, scoped),
        folder,
        lambda login: open_session_on_server(target, login),
        lambda operator: apply_changed_declaration(target, operator, lambda _: None, given),
        Steps(out),
        wrap_ttl,
    )


def _read_token(file: Path | None) -> Secret:
    """Return the administrator's token."""
    if file is not None:
        return read_credential(file, "--token-file")
    typed = read_hidden("administrator's token")
    if not typed.strip():
        raise ConfigurationError("no token was provided; pass it on standard input or --token-file")
    return Secret(typed.strip())


def _show(result: Result, declared: EnvironmentDeclaration) -> None:
    for job, folder in result.folders.items():
        if (folder / wrapped_secret_id.FILE).exists():
            command = f"strongroom unwrap {folder} --env {declared.environment} --role {job}"
            line = f"{folder}/role-id and {wrapped_secret_id.FILE}; to open it: {command}"
        else:
            line = f"{folder}/role-id and secret-id"
        out.print(f"{job}: {line}", markup=False)
    for job in result.reissued:
        out.print(
            f"The earlier wrapped secret-id of {job} had expired or had been opened. If its "
            "receiver did not open it, another client may have it: destroy it, as "
            "docs/runbook/Leaks.md says under 'A wrapped secret-id was stolen'.",
            markup=False,
        )
    if result.alive:
        out.print(
            "The given token is no root token and stays valid; to revoke it, with bao or vault: "
            f"token revoke -accessor {result.alive}",
            markup=False,
        )
    if result.unproven:
        out.print(
            "The given token was revoked, but nobody here may look it up. As an administrator, see "
            f"with bao or vault that 'token lookup -accessor {result.unproven}' says "
            "'invalid accessor'."
        )
    if result.lack:
        out.print(result.lack, markup=False)
    if declared.server_name(APPLY_JOB) in result.folders:
        out.print(
            "If the credential of apply is lost, run this again with a new token, such as one that "
            "'operator generate-root' of bao or vault makes."
        )
    _show_without(result, declared)


def _show_without(result: Result, declared: EnvironmentDeclaration) -> None:
    """Show which jobs log in by JWT, and with what an operator goes on here."""
    names = [name for name in map(declared.server_name, JOBS) if name not in result.folders]
    rotator = declared.server_name(ROTATOR_JOB)
    if not names:
        return
    out.print(f"Without a credential, because 'jobs' lets them log in by JWT: {', '.join(names)}.")
    if declared.server_name(APPLY_JOB) in names and rotator in result.folders:
        out.print(f"To put values and to issue secret-ids from here, use that of {rotator}.")
