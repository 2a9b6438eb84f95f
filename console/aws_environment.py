"""An environment on AWS: its connection, and its plan. boto3 is loaded for one only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from app_integration._internal.aws_variables import check_endpoints
from app_integration.errors import ConfigurationError
from app_integration.names import Environment
from aws.account import Account
from vault.declare.declaration import Declaration
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.plan import Plan

if TYPE_CHECKING:
    from app_integration.aws.connection import AwsConnection


def open_connection(declaration: Declaration, environment: Environment) -> AwsConnection:
    """Return a connection under the identity that boto3 finds. Nothing is sent.

    Args:
        declaration: The loaded declaration.
        environment: An environment on AWS.

    Raises:
        ConfigurationError: If boto3 is not installed, or an endpoint is for development only.

    """
    account = declaration.account(environment)
    check_endpoints(os.environ, environment)
    try:
        from app_integration.aws.connection import AwsConnection  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{environment} is on AWS, which needs {error.name}, which is not installed; install"
            " strongroom[aws]"
        ) from None
    return AwsConnection(account.region, development=environment.is_dev)


def build_aws_plan(
    connection: AwsConnection, declaration: Declaration, environment: Environment, inputs: Inputs
) -> Plan:
    """Build the plan that changes AWS to match the declaration.

    Args:
        connection: Reads AWS.
        declaration: The loaded declaration.
        environment: An environment on AWS.
        inputs: The operator-provided values.

    Raises:
        StrongroomError: If AWS cannot be read, or the identity belongs to another account.

    """
    from aws.desired import desired_resources  # noqa: PLC0415 (it loads boto3)
    from aws.planning import build_plan  # noqa: PLC0415 (it loads boto3)

    resources = desired_resources(declaration, environment, inputs)
    declared = declaration.environment(environment)
    account = Account.of(declaration.account(environment))
    return build_plan(connection, resources, account, declared.deployment)
