"""Command ``rotation-function``: what a team deploys to let AWS rotate its secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from app_integration._internal.private_file import replace_file
from aws.account import Account
from aws.function_archive import HANDLER, build_archive, list_requirements
from aws.iam.rotation_policy import rotation_policy
from aws.rotated_secrets import find_function
from console import operate
from console.options import Env
from console.output_files import write_files

_ARCHIVE: Final = "rotation.zip"


def rotation_function(
    env: Env,
    out: Annotated[Path, typer.Option("--out", help="folder for the files")],
) -> None:
    """Write the Lambda function that rotates the secrets of an environment on AWS.

    The files are the function's code, the requirements of its layer, and its IAM policy. They
    contain no secret, and are the same for the same declaration and version of the tool.
    """
    environment, declaration = operate.resolve_environment(env), operate.load_declaration()
    arn = find_function(declaration, environment)
    account = Account.of(declaration.account(environment))
    policy = rotation_policy(declaration, environment, account, arn)
    files = {
        "policy.json": json.dumps(policy, indent=2) + "\n",
        "requirements.txt": list_requirements(),
    }
    write_files(out, files)
    replace_file(out / _ARCHIVE, build_archive(), mode=0o644)
    typer.echo(f"wrote {out / _ARCHIVE}")
    typer.echo(f"the function: {arn}, its handler: {HANDLER}")
