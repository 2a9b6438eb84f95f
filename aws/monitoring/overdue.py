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
    """Write how many secrets are overdue, also 0, because silence raises the alarm."""
    data = {"MetricName": OVERDUE, "Timestamp": now, "Value": count, "Unit": "Count"}
    parameters = {"Namespace": watched.namespace, "MetricData": [data]}
    connection.call(AwsRequest("cloudwatch", "PutMetricData", watched.namespace, parameters))
