"""Command ``aws rotation-function``: what a team deploys to let AWS rotate its secrets."""

from __future__ import annotations

import json

import typer

from aws.account import Account
from aws.function_archive import HANDLER, build_archive, list_requirements
from aws.iam.rotation_policy import rotation_policy
from aws.rotated_secrets import find_function
from console.options import Env
from console.target.target import open_target
from console.views.output_files import BuildFolder, write_files


def rotation_function(
    env: Env,
    out: BuildFolder,
) -> None:
    """Write the Lambda function that rotates the secrets of an environment on AWS.

    The files are the function's code, the requirements of its layer, and its IAM policy. They
    contain no secret, and are the same for the same declaration and version of the tool.
    """
    target = open_target(env)
    declaration, environment = target.declaration, target.environment
    arn = find_function(declaration, environment)
    account = Account.of(declaration.account(environment))
    policy = rotation_policy(declaration, environment, account, arn)
    files: dict[str, str | bytes] = {
        "policy.json": json.dumps(policy, indent=2) + "\n",
        "requirements.txt": list_requirements(),
        "rotation.zip": build_archive(),
    }
    write_files(out, files)
    typer.echo(f"the function: {arn}, its handler: {HANDLER}")
