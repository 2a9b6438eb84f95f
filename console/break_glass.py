"""Command ``break-glass``: a credential for the day on which apply's own is lost."""

from __future__ import annotations

import typer

from app_integration.errors import ConfigurationError
from app_integration.names import parse_environment
from console import operate
from console.operator_session import explain_denial, open_operator_session
from console.options import Env, Root
from console.output_files import CredentialFolder
from vault.bootstrap.break_glass import issue
from vault.declare.server_names import APPLY_JOB
from vault.dotenv.worktree import check_ignored
from vault.owned_folder import claim
from vault.reconcile.credentials import CREDENTIALS


def break_glass(
    env: Env,
    folder: CredentialFolder,
    root: Root = operate.DEFAULT_ROOT,
) -> None:
    """Make a credential that, with the recovery keys, replaces a lost one of apply.

    It can do nothing without the keys. Keep it on another system than they are on.
    """
    check_ignored(folder)
    environment = parse_environment(env)
    declared = operate.load_declaration().environment(environment)
    if declared.is_scoped:
        raise ConfigurationError(
            f"{environment} has a scoped apply role, which the platform team makes; ask them for "
            "another credential of it if that is lost"
        )
    with (
        explain_denial(env, root, APPLY_JOB),
        open_operator_session(env, root, APPLY_JOB) as session,
    ):
        issued = issue(session, declared, folder)
    claim(folder, CREDENTIALS)
    typer.echo(f"{folder}: {'role-id and secret-id' if issued else 'is valid; nothing was issued'}")
