"""All resources that watch an environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app_integration.errors import ConfigurationError
from aws.iam.service_policy import VERSION
from aws.iam.trust_policy import SOURCE_ACCOUNT, service_role_trust
from aws.monitoring.alarms import build_alarms
from aws.monitoring.dashboard import build_dashboard
from aws.monitoring.filters import build_filters
from aws.monitoring.monitored_environment import Watched
from aws.resources import AwsResource, policy_text
from aws.resources.iam_policy import IamPolicy
from aws.resources.iam_role import IamRole
from aws.resources.log_group import LogGroup
from aws.resources.tags import Tags
from aws.resources.topic import Topic
from aws.resources.trail import Trail
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
    yield from _topics(watched, tags)
    if watched.monitoring.trail_bucket is not None:
        yield from _trail(watched, watched.monitoring.trail_bucket, tags)
    alarms = [*build_alarms(watched, tags)]
    yield from alarms
    scopes = declaration.scopes(watched.environment)
    services = [scope.service for scope in scopes if declaration.secrets(scope)]
    yield build_dashboard(watched, alarms, services)


def _topics(watched: Watched, tags: Tags) -> Iterator[AwsResource]:
    """Yield the topics that are not the team's own, to which alarms of the account may send."""
    own = {"page": watched.monitoring.page, "ticket": watched.monitoring.ticket}
    account = watched.account
    for name in (watched.name(severity) for severity, declared in own.items() if not declared):
        statement = {
            "Sid": "Alarms",
            "Effect": "Allow",
            "Principal": {"Service": account.service("cloudwatch")},
            "Action": "sns:Publish",
            "Resource": account.arn("sns", name),
            "Condition": {"StringEquals": {SOURCE_ACCOUNT: account.id}},
        }
        document = {"Version": VERSION, "Statement": [statement]}
        yield Topic(name, account.arn("sns", name), policy_text(document), tags)


def _trail(watched: Watched, bucket: str, tags: Tags) -> Iterator[AwsResource]:
    """Yield the trail that writes to the log group, and its role, which can do nothing else."""
    account, name = watched.account, watched.dashboard
    role = f"{watched.environment}_{watched.deployment}"  # no name of a service has an underscore
    group = account.log_group(watched.log_group)
    statement = {
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{group}:log-stream:{account.id}_CloudTrail_{account.region}*",
    }
    policy = policy_text({"Version": VERSION, "Statement": [statement]})
    yield IamPolicy(role, account.policy(role), policy, tags)
    trust = policy_text(service_role_trust(account, "cloudtrail"))
    yield IamRole(role, trust, (account.policy(role),), tags)
    arn = account.arn("cloudtrail", f"trail/{name}")
    yield Trail(name, arn, bucket, f"{group}:*", account.iam(f"role/{role}"), tags)
