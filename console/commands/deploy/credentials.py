"""Commands ``issue-secret-id`` and ``unwrap``: credentials that are handed over."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app_integration.auth.methods import StaticToken
from app_integration.errors import ConfigurationError
from app_integration.mounts import Mounts, mount_variables
from app_integration.names import Scope
from console.commands.deploy.colours import Colour, find_role
from console.options import Env, Host, Service, WrapTtl
from console.target.sessions import open_operator_session, open_session_on_server
from console.target.target import open_remote_target
from console.views.output_files import CredentialFolder
from vault import owned_folder
from vault.declare import durations
from vault.declare.declaration import Declaration
from vault.declare.errors import join_names
from vault.declare.schema.logins import SERVICE_METHODS
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import APPLY_JOB, JOBS
from vault.dotenv.worktree import check_ignored
from vault.reconcile import wrapped_secret_id
from vault.reconcile.credentials import CREDENTIALS, issue_credential, secret_id_endpoint

out = Console(soft_wrap=True)


class Receiver(StrEnum):
    """The process that logs in with a credential."""

    AGENT = "agent"
    APPLICATION = "application"


def issue_secret_id(
    service: Service,
    env: Env,
    folder: CredentialFolder,
    receiver: Annotated[
        Receiver,
        typer.Option("--for", help="what logs in: the application, or what starts its agent"),
    ] = Receiver.APPLICATION,
    host: Host = None,
    wrap_ttl: WrapTtl = None,
    colour: Colour = None,
) -> None:
    """Issue a credential of a service outside dev, such as its first one.

    That of an application is always wrapped, by default for the declared wrap_ttl: its host opens
    it with strongroom unwrap.
    """
    check_ignored(folder)
    if colour is not None and receiver is Receiver.AGENT:
        raise typer.BadParameter("--colour has no starter of an agent; leave out --for agent")
    target = open_remote_target(env)
    declaration, declared, scope = target.declaration, target.declared, target.scope(service)
    check_login(declaration, scope, receiver)
    role, ttl = str(scope), None  # the role of the service has the TTL itself
    if colour is not None:
        role = find_role(declaration, scope, colour)
    if receiver is Receiver.AGENT:
        role, ttl = scope.starter, declared.tokens.secret_id_ttl
    elif wrap_ttl is None:
        wrap_ttl = declared.tokens.wrap_ttl
    place = folder / role
    with open_operator_session(target, APPLY_JOB) as session:
        mounts = declared.mounts
        issue_credential(session, role, place, mounts, ttl=ttl, wrap_ttl=wrap_ttl, host=host)
    owned_folder.claim(folder, CREDENTIALS)
    _show(place, declared, receiver, wrap_ttl)


def unwrap(
    folder: Annotated[Path, typer.Argument(help="folder with role-id and wrapped-secret-id")],
    env: Env,
    role: Annotated[str, typer.Option("--role", help="the role that it must belong to")],
) -> None:
    """Open a wrapped secret-id that was handed over, once. It needs no login.

    A wrapping token that another role's endpoint created, or that was opened before, is refused.
    """
    check_ignored(folder / "secret-id")
    target = open_remote_target(env)
    declared = target.declared
    roles = _service_roles(target.declaration, declared)
    _check_role(role, [*map(declared.server_name, JOBS), *roles])
    endpoint = secret_id_endpoint(role, declared.mounts)
    token = wrapped_secret_id.read(folder, endpoint)
    with open_session_on_server(target, StaticToken(token)) as session:
        wrapped_secret_id.open_file(session, token, folder, endpoint)
    out.print(f"{role}: {folder}/role-id and secret-id", markup=False)


def check_login(declaration: Declaration, scope: Scope, receiver: Receiver) -> None:
    """Check that *receiver* logs in by AppRole, so that it needs a stored credential."""
    login = declaration.deployment(scope).login
    methods = [method for method in SERVICE_METHODS if getattr(login, method) is not None]
    what = f"{scope.service} logs in by {join_names(methods)}"
    if receiver is Receiver.AGENT:
        if declaration.service(scope.service).config is None:
            raise ConfigurationError(
                f"{scope.service} has no config, so that it has no agent; pass --for application"
            )
        methods = [declaration.environment(scope.environment).agent.login]
        what = f"the agent of {scope.service} logs in by {methods[0]}"
    if "approle" not in methods:
        raise ConfigurationError(
            f"{what} in {scope.environment}, so that it needs no stored credential; nothing was "
            "sent. To use one all the same, declare 'approle' there, and apply"
        )


def _service_roles(declaration: Declaration, declared: EnvironmentDeclaration) -> list[str]:
    scopes = declaration.scopes(declared.environment)
    return [role for scope in scopes for role in declaration.approles(scope)]


def _check_role(role: str, known: list[str]) -> None:
    if role not in known:
        raise ConfigurationError(f"no role {role!r} is declared (expected {join_names(known)})")


def _show(
    folder: Path, declared: EnvironmentDeclaration, receiver: Receiver, wrap_ttl: int | None
) -> None:
    """Show where the credential is, and how its receiver uses it."""
    lasts = durations.render(declared.tokens.secret_id_ttl)
    command = f"strongroom unwrap {folder} --env {declared.environment} --role {folder.name}"
    if wrap_ttl is None:
        out.print(f"{folder}/role-id and secret-id, valid for {lasts}", markup=False)
    else:
        opened = f"to be opened within {durations.render(wrap_ttl)}"
        out.print(f"{folder}/role-id and {wrapped_secret_id.FILE}, {opened}", markup=False)
    if receiver is Receiver.AGENT:
        keys = "starter_role_id_file and starter_secret_id_file"
        out.print(f"On the agent's host, name them in run.json: {keys}.")
        if wrap_ttl is not None:
            out.print(f"Open it there before: {command}", markup=False)
        return
    out.print(f"The application reads them with {_variables(declared.mounts)}.", markup=False)
    out.print(
        f"It opens it once, and needs another after each start. For one that lasts {lasts}, as an "
        "agent built for a host needs it, open it there, and for the application set "
        f"STRONGROOM_AUTH=approle: {command}",
        markup=False,
    )


def _variables(mounts: Mounts) -> str:
    """Return the variables with which an application reads its credential, for a sentence."""
    own = [f"{name}={path}" for name, path in mount_variables(mounts).items()]
    files = "STRONGROOM_ROLE_ID_FILE and STRONGROOM_SECRET_ID_FILE"
    return ", ".join(["STRONGROOM_AUTH=approle-wrapped", *own, f"the files in {files}"])
