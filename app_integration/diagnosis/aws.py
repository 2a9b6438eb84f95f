"""Checks of a service whose secrets are in AWS Secrets Manager."""

from __future__ import annotations

from app_integration.aws.from_settings import open_connection
from app_integration.client import Client
from app_integration.diagnosis.check import Broken
from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConfigurationError,
    KeyUnavailable,
    SecretDeleted,
    SecretError,
    StrongroomError,
)
from app_integration.settings import Settings
from app_integration.sources.aws import AwsSource, policy_rule


def check_settings(settings: Settings) -> None:
    """Raise ConfigurationError if the connection cannot be opened. Nothing is sent."""
    open_connection(settings).close()


def check_secret(client: Client, name: str) -> str:
    """Read a secret from Secrets Manager, without a cache and without a fallback."""
    settings = client.settings
    try:
        AwsSource(client.aws, settings.scope, settings.secret_arns).fetch(name)
    except StrongroomError as error:
        raise Broken(str(error), _remedy(error, settings, name)) from None
    return "has a value"


def _remedy(error: StrongroomError, settings: Settings, name: str) -> str:
    if isinstance(error, AccessDenied):
        rule = policy_rule(settings.scope, settings.secret_arns, name)
        return f"let the policy of the process's role allow {rule}"
    if isinstance(error, SecretError):
        return _value_remedy(error, settings, name)
    if isinstance(error, AuthenticationFailed):
        return "give the process an IAM role; on a developer's machine, a profile"
    if isinstance(error, KeyUnavailable):
        return "enable the KMS key of the secret"
    if isinstance(error, ConfigurationError):
        return "change what the message names"
    return "check the network, AWS_REGION and AWS_ENDPOINT_URL"


def _value_remedy(error: SecretError, settings: Settings, name: str) -> str:
    scope = settings.scope
    if arn := settings.secret_arns.get(name):
        return f"have its owner write or restore {arn}, or correct STRONGROOM_SECRET_ARNS"
    if isinstance(error, SecretDeleted):
        return f"restore it, such as with: strongroom apply --widen --env {scope.environment}"
    options = f"--service {scope.service} --env {scope.environment}"
    return (
        f"write it, such as with: strongroom put {name} {options}; if it is not declared, with: aws"
        " secretsmanager put-secret-value"
    )
