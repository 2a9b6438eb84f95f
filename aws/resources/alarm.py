"""Alarms of CloudWatch on one metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from aws.reader import AwsReader
from aws.resources.tags import TagForm, Tags
from vault.reconcile.resources import Fields

_SERVICE: Final = "cloudwatch"
_TAGS: Final = TagForm(_SERVICE, "ResourceARN")
#: Field → its parameter, and what stands for it where it is not set.
_PARAMETERS: Final[Mapping[str, tuple[str, Any]]] = {
    "description": ("AlarmDescription", ""),
    "actions_enabled": ("ActionsEnabled", False),
    "alarm_actions": ("AlarmActions", []),
    "ok_actions": ("OKActions", []),
    "insufficient_data_actions": ("InsufficientDataActions", []),
    "namespace": ("Namespace", None),
    "metric": ("MetricName", None),
    "dimensions": ("Dimensions", []),
    "statistic": ("Statistic", None),
    "unit": ("Unit", None),
    "period": ("Period", None),
    "evaluation_periods": ("EvaluationPeriods", None),
    "datapoints_to_alarm": ("DatapointsToAlarm", None),
    "threshold": ("Threshold", None),
    "comparison": ("ComparisonOperator", None),
    "missing_data": ("TreatMissingData", "missing"),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of CloudWatch."""

    namespace: str
    name: str
    dimensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm, which sends to a topic when it is raised and when it ends.

    *period* is in seconds; *statistic*, *comparison* and *missing_data* are CloudWatch's words.
    """

    kind: ClassVar[str] = "alarm"

    name: str
    arn: str
    description: str
    topic: str
    metric: Metric
    statistic: str
    period: int
    comparison: str
    threshold: int
    missing_data: str
    tags: Tags
    is_enabled: bool = True

    def parameters(self) -> dict[str, Any]:
        """Return the parameters that make the alarm, apart from its tags."""
        dimensions = self.metric.dimensions.items()
        return {
            "AlarmName": self.name,
            "AlarmDescription": self.description,
            "ActionsEnabled": self.is_enabled,
            "AlarmActions": [self.topic],
            "OKActions": [self.topic],
            "Namespace": self.metric.namespace,
            "MetricName": self.metric.name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions],
            "Statistic": self.statistic,
            "Period": self.period,
            "EvaluationPeriods": 1,
            "Threshold": self.threshold,
            "ComparisonOperator": self.comparison,
            "TreatMissingData": self.missing_data,
        }

    def desired(self) -> Fields:
        """Return everything that decides when the alarm is raised, and whom it reaches."""
        return {**_fields(self.parameters()), **self.tags}

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the fields of the alarm, None if there is none of that name."""
        names = [self.name]
        found = reader.get(_SERVICE, "DescribeAlarms", self.name, "MetricAlarms", AlarmNames=names)
        alarms = found["MetricAlarms"] if found else []
        if not alarms:
            return None
        listed = reader.get_part(
            _SERVICE, "ListTagsForResource", self.name, "Tags", ResourceARN=self.arn
        )
        return {**_fields(alarms[0]), **_TAGS.decode(self.tags, listed["Tags"])}

    def write(self, session: AwsConnection, before: Fields | None) -> None:
        """Create the alarm, or replace what it compares. Its tags are apart on AWS."""
        parameters = self.parameters()
        if before is None:
            parameters["Tags"] = _TAGS.encode(self.tags)
        wanted = _fields(parameters)
        if before is None or any(before[name] != value for name, value in wanted.items()):
            session.call(AwsRequest(_SERVICE, "PutMetricAlarm", self.name, parameters))
        if before is not None:
            _TAGS.write(session, self.arn, self.tags, before)


def _fields(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields in a request or response."""
    return {name: parameters.get(key, unset) for name, (key, unset) in _PARAMETERS.items()}
