"""An environment on AWS: its connection, plan and template. boto3 is loaded for one only."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from app_integration._internal.aws_variables import check_endpoints, read_region
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from aws.account import Account
from vault.declare.declaration import Declaration
from vault.declare.schema.model import EnvironmentDeclaration
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.plan import Plan
from vault.reconcile.resources.ownership import Owner

if TYPE_CHECKING:
    from app_integration.aws.connection import AwsConnection
    from aws.secret_copy.aws_secrets import AwsSecrets


def open_connection(declaration: Declaration, environment: Environment) -> AwsConnection:
    """Return a connection under the identity that boto3 finds. Nothing is sent."""
    return _connect(declaration.account(environment).region, environment)


@contextmanager
def open_checked_connection(
    declaration: Declaration, environment: Environment
) -> Iterator[AwsConnection]:
    """Yield a connection to the declared account, and to no other. See :func:`open_connection`."""
    with closing(open_connection(declaration, environment)) as connection:
        read_account(connection, declaration.environment(environment))
        yield connection


def open_copy_connection(declared: EnvironmentDeclaration) -> AwsConnection:
    """Return a connection for an environment that moves. See :func:`open_connection`.

    Its file may name no account yet; then ``AWS_REGION`` has the region.
    """
    region = declared.aws.region if declared.aws else read_region(os.environ)
    return _connect(region, declared.environment)


def _connect(region: str, environment: Environment) -> AwsConnection:
    check_endpoints(os.environ, environment)
    with _needing_boto3(environment):
        from app_integration.aws.connection import AwsConnection  # noqa: PLC0415 (an extra)
    return AwsConnection(region, development=environment.is_dev)


def write_aws_secret(declaration: Declaration, scope: Scope, name: str, value: Secret) -> None:
    """Write a new version of a declared secret, under the identity that boto3 finds."""
    from aws.new_version import write_new_version  # noqa: PLC0415 (it loads boto3)

    environment = declaration.environment(scope.environment)
    account = Account.of(declaration.account(scope.environment))
    with closing(open_connection(declaration, scope.environment)) as connection:
        write_new_version(connection, account, Owner.of(environment), scope.secret(name), value)


def build_aws_plan(
    connection: AwsConnection,
    declaration: Declaration,
    environment: Environment,
    inputs: Inputs,
    *,
    may_widen: bool = False,
) -> Plan:
    """Build the plan that changes AWS to match the declaration."""
    from aws.desired import desired_resources  # noqa: PLC0415 (it loads boto3)
    from aws.planning import build_plan  # noqa: PLC0415 (it loads boto3)

    resources = desired_resources(declaration, environment, inputs)
    declared = declaration.environment(environment)
    account = Account.of(declaration.account(environment))
    return build_plan(connection, resources, account, declared.deployment, may_widen=may_widen)


def read_account(connection: AwsConnection, declared: EnvironmentDeclaration) -> str:
    """Return the account that the identity belongs to; it must be the declared one, if any."""
    from aws import planning  # noqa: PLC0415 (it loads boto3)

    if declared.aws is not None:
        planning.check_account(connection, Account.of(declared.aws))
        return declared.aws.account
    return planning.read_account(connection)


def build_aws_secrets(
    connection: AwsConnection, declaration: Declaration, scopes: Sequence[Scope]
) -> AwsSecrets:
    """Return the secrets of *scopes*, all in one environment, for a copy. Nothing is sent."""
    from aws.desired import secret_resources  # noqa: PLC0415 (it loads boto3)
    from aws.secret_copy.aws_secrets import AwsSecrets  # noqa: PLC0415 (it loads boto3)

    resources = [
        each for scope in scopes for each in secret_resources(declaration, scope, Inputs())
    ]
    owner = Owner.of(declaration.environment(scopes[0].environment))
    return AwsSecrets(connection, owner, resources)


def build_operator_policies(
    declaration: Declaration, environment: Environment
) -> list[dict[str, Any]]:
    """Build the IAM policies of the operator of an environment."""
    with _needing_boto3(environment):
        from aws.operator_policy import operator_policies  # noqa: PLC0415 (it loads boto3)
    return operator_policies(declaration, environment)


def build_aws_template(declaration: Declaration, environment: Environment) -> dict[str, Any]:
    """Build the CloudFormation template of what the plan compares, but for values."""
    account = declaration.account(environment)
    with _needing_boto3(environment):
        from aws.desired import desired_resources  # noqa: PLC0415 (it loads boto3)
        from aws.rotated_secrets import find_function_role  # noqa: PLC0415 (it loads boto3)
        from aws.template import add_function, build_template  # noqa: PLC0415 (it loads boto3)
    resources = desired_resources(declaration, environment, Inputs())
    where = f"{environment} in the account {account.account}, {account.region}"
    template = build_template(resources, f"Strongroom: {where}. Rendered from the declaration.")
    if role := find_function_role(declaration, environment):
        add_function(template, Account.of(account), str(account.rotation_function), role)
    return template


@contextmanager
def _needing_boto3(environment: Environment) -> Iterator[None]:
    """Name the extra that is missing if the body cannot import what it needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{environment} is on AWS, which needs {error.name}, which is not installed; install"
            " strongroom[aws]"
        ) from None
