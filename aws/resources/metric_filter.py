"""Metric filters of CloudWatch, which count events of a log group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from aws.reader import AwsReader
from vault.reconcile.resources import Fields

_SERVICE: Final = "logs"
_ONE: Final = "1"


@dataclass(frozen=True, slots=True)
class MetricFilter:
    """A metric filter. It has no tags, so that its name alone says whose it is.

    Attributes:
        name: Such as ``strongroom-prod-throttling``.
        log_group: Name of the log group.
        pattern: What is counted, in the syntax of CloudWatch.
        namespace: Namespace of the metric.
        metric: The metric's name. Several filters may count into one.

    """

    kind: ClassVar[str] = "metric-filter"

    name: str
    log_group: str
    pattern: str
    namespace: str
    metric: str

    def desired(self) -> Fields:
        """Return the pattern, and the metric that counts its events."""
        return {
            "pattern": self.pattern,
            "namespace": self.namespace,
            "metric": self.metric,
            "value": _ONE,
            "default": 0,
        }

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the fields of the filter, None if there is no log group or no such filter."""
        found = reader.get(
            _SERVICE,
            "DescribeMetricFilters",
            self.name,
            "metricFilters",
            logGroupName=self.log_group,
            filterNamePrefix=self.name,
        )
        # Sorted by name, so that the whole name comes first among those that begin with it.
        filters = found["metricFilters"][:1] if found else []
        if not filters or filters[0]["filterName"] != self.name:
            return None
        (metric,) = filters[0]["metricTransformations"]
        return {
            "pattern": filters[0].get("filterPattern", ""),
            "namespace": metric["metricNamespace"],
            "metric": metric["metricName"],
            "value": metric["metricValue"],
            "default": metric.get("defaultValue"),
        }

    def write(self, session: AwsConnection, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Create the filter, or replace it."""
        parameters = {
            "logGroupName": self.log_group,
            "filterName": self.name,
            "filterPattern": self.pattern,
            "metricTransformations": [self.transformation()],
        }
        session.call(AwsRequest(_SERVICE, "PutMetricFilter", self.name, parameters))

    def transformation(self) -> dict[str, Any]:
        """Return the metric as a parameter. 0 where nothing is counted, so that the alarm ends."""
        return {
            "metricNamespace": self.namespace,
            "metricName": self.metric,
            "metricValue": _ONE,
            "defaultValue": 0,
        }
