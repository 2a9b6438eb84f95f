"""Command ``break-glass``: a credential for the day on which apply's own is lost."""

from __future__ import annotations

import typer

from app_integration.errors import ConfigurationError
from console.options import Env, Root
from console.target.local_folder import DEFAULT_ROOT
from console.target.sessions import open_explained_session
from console.target.target import open_target
from console.views.output_files import CredentialFolder
from vault.bootstrap.break_glass import issue
from vault.declare.server_names import APPLY_JOB
from vault.dotenv.worktree import check_ignored
from vault.owned_folder import claim
from vault.reconcile.credentials import CREDENTIALS


def break_glass(
    env: Env,
    folder: CredentialFolder,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Make a credential that, with the recovery keys, replaces a lost one of apply.

    It can do nothing without the keys. Keep it on another system than they are on.
    """
    check_ignored(folder)
    target = open_target(env, root)
    declared = target.declared
    if declared.is_scoped:
        raise ConfigurationError(
            f"{target.environment} has a scoped apply role, which the platform team makes; ask "
            "them for another credential of it if that is lost"
        )
    with open_explained_session(target, APPLY_JOB) as session:
        issued = issue(session, declared, folder)
    claim(folder, CREDENTIALS)
    typer.echo(f"{folder}: {'role-id and secret-id' if issued else 'is valid; nothing was issued'}")
