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

    *prefix* is what the names of all filters of the deployment begin with.
    """

    kind: ClassVar[str] = "metric-filter"

    name: str
    prefix: str
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
        found = self._find(reader)
        if found is None:
            return None
        (metric,) = found["metricTransformations"]
        return {
            "pattern": found.get("filterPattern", ""),
            "namespace": metric["metricNamespace"],
            "metric": metric["metricName"],
            "value": metric["metricValue"],
            "default": metric.get("defaultValue"),
        }

    def _find(self, reader: AwsReader) -> dict[str, Any] | None:
        """Return the description of the filter.

        All filters of a log group share the requests, because AWS allows five in a second.
        """
        parameters = {"logGroupName": self.log_group, "filterNamePrefix": self.prefix}
        while True:
            page = reader.get(
                _SERVICE, "DescribeMetricFilters", self.prefix, "metricFilters", **parameters
            )
            filters = page["metricFilters"] if page else []
            for each in filters:
                if each["filterName"] == self.name:
                    return dict(each)
            if not page or not page.get("nextToken"):
                return None
            parameters["nextToken"] = page["nextToken"]

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
