"""The connection to AWS that the settings describe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app_integration._internal.aws_variables import check_region
from app_integration.errors import ConfigurationError
from app_integration.settings import Settings

if TYPE_CHECKING:
    from app_integration.aws.connection import AwsConnection


def open_connection(settings: Settings) -> AwsConnection:
    """Return the connection. Nothing is sent."""
    region = check_region(settings.aws_region)
    try:
        from app_integration.aws.connection import AwsConnection
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"requests to AWS need {error.name}, which is not installed; install"
            " strongroom-sdk[aws]"
        ) from None
    connections = [
        AwsConnection(each, development=settings.is_development, limits=settings.limits)
        for each in (region, *settings.aws_replicas)
    ]
    connections[0].replicas = connections[1:]
    return connections[0]
