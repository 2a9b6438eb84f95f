"""Commands ``strongroom dev-values``: what a team shares of dev, encrypted in its repository."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from app_integration import names as all_names
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from console.commands.every_day.missing_values import put_command
from console.commands.every_day.put import write_secret
from console.options import Root, ServiceFilter
from console.target.local_folder import DEFAULT_ROOT
from console.target.target import Target, open_target
from console.views.escapes import escape_unprintable
from console.views.restarts import describe_restarts
from local.services.dev_services import shared_files
from local.services.shared_values import find_different, read_values
from vault.declare import counts
from vault.declare.dev_values.identity import create_identity, identity_path, read_public_keys
from vault.declare.load import display_path

if TYPE_CHECKING:
    from local.deployment import LocalDeployment
    from vault.declare.dev_values.shared_values import SharedFiles, SharedValues

app = typer.Typer(no_args_is_help=True, help="Values of dev that a team shares.")


def _check_dev(text: str) -> str:
    if not all_names.parse_environment(text).is_dev:
        raise ConfigurationError(
            f"values are shared in dev only; those of {text} are on its server: write them with "
            "strongroom put, and grant them to the people that need them"
        )
    return text


_Dev = Annotated[str, typer.Option("--env", help="dev, and no other", callback=_check_dev)]


@app.callback()
def dev_values() -> None:
    """Values of dev that a team shares."""


@app.command()
def key() -> None:
    """Print your public key, for a line of dev-values/members. One is made if there is none."""
    path = identity_path(os.environ)
    if not path.exists():
        create_identity(path)
        typer.echo(f"wrote a new key pair to {path}; keep it to yourself", err=True)
    typer.echo(read_public_keys(path)[0])


@app.command()
def share(
    names: Annotated[
        list[str] | None, typer.Argument(help="given secrets, whose values here become the team's")
    ] = None,
    service: ServiceFilter = None,
    _env: _Dev = Environment.DEV,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Encrypt values for all in dev-values/members, and each file again if that list changed."""
    target = open_target(Environment.DEV, root)
    files = shared_files(target.declaration)
    files.check_member()
    added: Mapping[Scope, Mapping[str, Secret]] = {}
    if names:
        added = _read_here(target, files, service, names)
    before = {scope: files.read(scope) for scope in dict.fromkeys([*files.scopes, *added])}
    for scope, shared in before.items():  # after all were opened, so that one fault changes none
        after = shared.renew(files.members, added.get(scope, {}), files.shareable(scope))
        _renew(files, scope, shared, after)


@app.command("open")
def open_values(_env: _Dev = Environment.DEV, root: Root = DEFAULT_ROOT) -> None:
    """Write the team's values to the local deployment, in place of others.

    It says who must restart.
    """
    target, changed = open_target(Environment.DEV, root), datetime.now(UTC)
    local = _local(target)
    files = shared_files(local.declaration)
    files.check_member()
    restarts = list[str]()
    with local.operator() as session:
        for scope, name, value in find_different(session, files):
            version = write_secret(session, local.declaration, scope, name, value.reveal())
            typer.echo(f"{scope.service}: {name}: version {version}")
            restarts += describe_restarts(
                target.declaration, scope, name, changed, target.access_records
            )
    for line in dict.fromkeys(restarts):
        typer.echo(line)


def _read_here(
    target: Target, files: SharedFiles, service: str | None, names: Sequence[str]
) -> dict[Scope, Mapping[str, Secret]]:
    """Return the values of secrets on the local deployment."""
    if service is None:
        raise ConfigurationError("the names are those of one service; pass --service")
    scope, local = target.scope(service), _local(target)
    target.declaration.deployment(scope)
    provided = local.service(service).provided_secrets()
    with local.operator() as session:
        return {scope: read_values(session, files, scope, names, provided)}


def _local(target: Target) -> LocalDeployment:
    if not target.is_local:
        raise ConfigurationError(
            "VAULT_ADDR names another server than the local deployment's, which is the only one "
            "with values to share; unset it"
        )
    return target.local_deployment()


def _renew(files: SharedFiles, scope: Scope, before: SharedValues, after: SharedValues) -> None:
    """Write the file of a service if members or values have changed."""
    path = display_path(files.path(scope))
    if after == before:
        typer.echo(f"{path} is up to date")
        return
    _show_departed(before, after, scope, path)
    files.write(scope, after)
    values = counts.render(len(after.values), "value")
    joined = set(after.members) - set(before.members)
    names = [f"{name} (new)" if key in joined else name for key, name in after.members.items()]
    typer.echo(f"wrote {path}: {values} for {', '.join(names)}; commit it")


def _show_departed(before: SharedValues, after: SharedValues, scope: Scope, path: str) -> None:
    """Print the values that former members know, because git keeps the file that they open."""
    departed, known = before.departed(after.members), before.unchanged(after)
    if not departed or not known:
        return
    typer.echo(
        f"{escape_unprintable(', '.join(departed))} can open the {path} of before, which git "
        "keeps. Have the issuer of each value change it, and write and share the new ones:"
    )
    for name in known:
        typer.echo(f"  {put_command(scope, name)}")
    typer.echo(f"  strongroom dev-values share {' '.join(known)} --service {scope.service}")
