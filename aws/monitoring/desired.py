"""All resources that watch an environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app_integration.errors import ConfigurationError
from aws.monitoring.alarms import build_alarms
from aws.monitoring.dashboard import build_dashboard
from aws.monitoring.filters import build_filters
from aws.monitoring.monitored_environment import Watched
from aws.resources import AwsResource
from aws.resources.log_group import LogGroup
from aws.resources.tags import Tags
from vault.declare.declaration import Declaration

_MAX_FILTERS: Final = 100


def monitoring_resources(
    declaration: Declaration, watched: Watched, tags: Tags
) -> Iterator[AwsResource]:
    """Yield the log group, unless it is the team's own, and its filters, alarms and dashboard."""
    if watched.monitoring.log_group is None:
        arn = watched.account.log_group(watched.log_group)
        yield LogGroup(watched.log_group, arn, watched.monitoring.retention, tags)
    filters = [*build_filters(declaration, watched)]
    if len(filters) > _MAX_FILTERS:
        raise ConfigurationError(
            f"the services of {watched.environment} need {len(filters)} metric filters, and"
            f" CloudWatch allows {_MAX_FILTERS} in a log group; declare some of the services in"
            " another environment"
        )
    yield from filters
    alarms = [*build_alarms(watched, tags)]
    yield from alarms
    scopes = declaration.scopes(watched.environment)
    services = [scope.service for scope in scopes if declaration.secrets(scope)]
    yield build_dashboard(watched, alarms, services)
