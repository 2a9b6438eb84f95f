"""Alarms of an environment: what is compared with which threshold, and what to do first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from aws.monitoring.monitored_environment import Watched
from aws.resources.alarm import Alarm, Metric
from aws.resources.tags import Tags
from vault.declare import durations
from vault.declare.schema.aws_monitoring import AlarmOverride
from vault.declare.schema.monitoring import Severity

#: The metric, and the alarm on it.
OVERDUE: Final = "rotation-overdue"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a metric, over *period* seconds, in the words of CloudWatch."""

    severity: Severity
    summary: str
    action: str
    threshold: int = 0
    period: int = 5 * durations.MINUTE
    statistic: str = "Sum"
    comparison: str = "GreaterThanThreshold"
    missing_data: str = "notBreaching"


#: The metric and, with the deployment and environment before it, the alarm → its condition.
CONDITIONS: Final[Mapping[str, Condition]] = {
    "access-failures": Condition(
        "page",
        "A role of a service was denied a secret or key, or found it unusable.",
        "Find the requests in the log group by their errorCode, and the role in userIdentity.",
    ),
    "throttling": Condition(
        "ticket",
        "Secrets Manager or KMS throttles requests of this account.",
        "Find out who sends most requests. Applications go on with what they have cached.",
        threshold=10,
    ),
    "rotation-failed": Condition(
        "ticket",
        "The rotation of a secret failed or was abandoned. The value before stays in use.",
        "Read the log of the rotation function.",
    ),
    "rotation-overdue": Condition(
        "ticket",
        "A secret is older than its rotate_every, or strongroom ledger does not run.",
        "Run strongroom ledger, which names the secret.",
        period=3 * durations.HOUR,
        statistic="Maximum",
        missing_data="breaching",
    ),
    "unusual-caller": Condition(
        "page",
        "A caller that is not declared read a secret or used a key.",
        "Find out who it is. If nobody knows, rotate what was read.",
    ),
    "audit-log-silent": Condition(
        "ticket",
        "The log group gets no events, so that the other alarms see nothing.",
        "Look whether CloudTrail still writes to it.",
        period=durations.HOUR,
        comparison="LessThanOrEqualToThreshold",
        missing_data="breaching",
    ),
}
#: The alarm on a metric that CloudWatch itself has.
_SILENT: Final = "audit-log-silent"


def build_alarms(watched: Watched, tags: Tags) -> Iterator[Alarm]:
    """Yield the alarms. One that is not enabled sends nothing, because nothing would delete it."""
    for name, condition in CONDITIONS.items():
        override: AlarmOverride = getattr(watched.monitoring.alarms, name.replace("-", "_"))
        changes = override.model_dump(exclude_unset=True, exclude={"enabled"})
        changed = replace(condition, **changes)
        yield _alarm(watched, name, changed, tags, is_enabled=override.enabled)


def _alarm(
    watched: Watched, name: str, condition: Condition, tags: Tags, *, is_enabled: bool
) -> Alarm:
    full_name, monitoring = watched.name(name), watched.monitoring
    return Alarm(
        name=full_name,
        arn=watched.account.alarm(full_name),
        description=f"{condition.summary} {condition.action} {monitoring.runbook}#{name}",
        topic=watched.topic(condition.severity),
        metric=_metric(watched, name),
        statistic=condition.statistic,
        period=condition.period,
        comparison=condition.comparison,
        threshold=condition.threshold,
        missing_data=condition.missing_data,
        tags=tags,
        is_enabled=is_enabled,
    )


def _metric(watched: Watched, name: str) -> Metric:
    if name == _SILENT:
        return Metric("AWS/Logs", "IncomingLogEvents", {"LogGroupName": watched.log_group})
    return Metric(watched.namespace, name)


def publish_overdue(connection: AwsConnection, watched: Watched, count: int, now: datetime) -> None:
    """Write how many secrets are overdue, also 0, because silence raises the alarm."""
    data = {"MetricName": OVERDUE, "Timestamp": now, "Value": count, "Unit": "Count"}
    parameters = {"Namespace": watched.namespace, "MetricData": [data]}
    connection.call(AwsRequest("cloudwatch", "PutMetricData", watched.namespace, parameters))
