"""Command ``aws copy-secrets``: declared secrets from Vault to AWS, or back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import typer
from rich.console import Console

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from app_integration.session.session import Session
from app_integration.settings import SERVERS
from aws.environment import build_aws_secrets, open_copy_connection, read_account
from aws.secret_copy.backend import SecretBackend
from aws.secret_copy.secret_copy import SecretCopy, copied_secrets
from aws.secret_copy.vault_secrets import VaultSecrets
from console.options import AsJson, DryRun, Env, From, Replace, Root, ServiceFilter, To, Yes
from console.target.local_folder import DEFAULT_ROOT
from console.target.sessions import declare_on_vault, open_vault_session
from console.target.target import Target, open_target
from console.views.escapes import say
from console.views.secret_copy import CopyReport
from vault.declare.declaration import Declaration
from vault.declare.server_names import APPLY_JOB
from vault.reconcile.desired.desired import secret_resources
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources.ownership import Owner

CHANGES: Final = 2

out = Console(soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Options:
    """Options that say what is done. See the help of each."""

    source: str
    target: str
    replace: bool
    yes: bool
    dry_run: bool
    as_json: bool


def copy_secrets(
    env: Env,
    source: From,
    target: To,
    service: ServiceFilter = None,
    replace: Replace = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Copy the values of declared secrets from one backend to the other, and prove them equal.

    Nothing is written if one secret cannot be copied. Run the command again to continue, also after
    a kill. With --dry-run, exit code 2 if there is something to copy.
    """
    if {source, target} != {*SERVERS}:
        raise typer.BadParameter(f"--from and --to are {' and '.join(SERVERS)}, in either order")
    options = _Options(source, target, replace, yes, dry_run, as_json)
    opened = open_target(env, root)
    scopes = _find_scopes(opened, service)
    with _open_backends(opened, scopes) as (backends, places):
        secrets = [each for scope in scopes for each in copied_secrets(opened.declaration, scope)]
        copy = SecretCopy(backends[source], backends[target], secrets)
        _run(copy, CopyReport(env, source, target, places, copy.compare(), replace), options)


def _find_scopes(opened: Target, service: str | None) -> Sequence[Scope]:
    if service is None:
        return opened.declaration.scopes(opened.environment)
    scope = opened.scope(service)
    opened.declaration.deployment(scope)
    return [scope]


@contextmanager
def _open_backends(
    opened: Target, scopes: Sequence[Scope]
) -> Iterator[tuple[dict[str, SecretBackend], dict[str, str]]]:
    """Yield the backends of the environment by name, and where each of them is."""
    declaration, declared = opened.declaration, opened.declared
    if not scopes:
        raise ConfigurationError(f"no service runs in {declared.environment}; declare one")
    owner = Owner.of(declare_on_vault(declared))
    with (
        closing(open_copy_connection(declared)) as connection,
        open_vault_session(opened, APPLY_JOB) as session,
    ):
        account = read_account(connection, declared)
        aws = build_aws_secrets(connection, declaration, scopes)
        vault = _build_vault_secrets(session, declaration, scopes, owner)
        yield (
            {aws.name: aws, vault.name: vault},
            {aws.name: f"account {account} in {connection.region}", vault.name: session.address},
        )


def _build_vault_secrets(
    session: Session, declaration: Declaration, scopes: Sequence[Scope], owner: Owner
) -> VaultSecrets:
    resources = [
        each for scope in scopes for each in secret_resources(declaration, scope, Inputs(), owner)
    ]
    return VaultSecrets(session, owner, resources)


def _run(copy: SecretCopy, report: CopyReport, options: _Options) -> None:
    show = _show_nothing if options.as_json else partial(say, out)
    for line in report.lines():
        show(line)
    try:
        report.check()
        if not options.dry_run:
            _confirm(report, options)
            for each in report.to_write:
                copy.write(each)
                show(report.note_written(each))
    finally:
        if options.as_json:
            typer.echo(json.dumps(report.document(), indent=2))
    show(report.summary(is_dry=options.dry_run))
    if options.dry_run and report.to_write:
        raise typer.Exit(CHANGES)


def _show_nothing(line: str) -> None:
    del line


def _confirm(report: CopyReport, options: _Options) -> None:
    """Ask before values are replaced."""
    if report.different and not options.yes:
        count = f"{len(report.different)} of {len(report.found)} secrets"
        question = f"{report.target} has another value for {count}. Replace it?"
        typer.confirm(question, abort=True, err=True)
