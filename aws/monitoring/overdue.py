"""Number of overdue secrets as a metric. AWS has none: it knows its own rotations only."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from aws.monitoring.monitored_environment import Watched

#: The metric, and the alarm on it.
OVERDUE: Final = "rotation-overdue"


def publish_overdue(connection: AwsConnection, watched: Watched, count: int, now: datetime) -> None:
    """Write how many secrets are overdue.

    Args:
        connection: Must be allowed to write metrics of the environment's namespace.
        watched: The environment.
        count: The number, 0 as well, because silence raises the alarm.
        now: The current time.

    """
    data = {"MetricName": OVERDUE, "Timestamp": now, "Value": count, "Unit": "Count"}
    parameters = {"Namespace": watched.namespace, "MetricData": [data]}
    connection.call(AwsRequest("cloudwatch", "PutMetricData", watched.namespace, parameters))
