"""Model of what watches an environment on AWS: its audit log, and who is alarmed about what.

Of an alarm, a file has the keys that differ, so that each key has a default of None there.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from vault.declare import durations
from vault.declare.errors import InvalidValue
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import (
    Within,
)
from vault.declare.schema.list_types import Distinct
from vault.declare.schema.monitoring import RunbookUrl, Severity
from vault.declare.schema.text_types import Matching

#: Days for which CloudWatch can keep a log.
RETENTIONS: Final = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
#: Default of a key that a file leaves out.
_LEFT_OUT: Final[Any] = None


def _retention(seconds: int) -> int:
    days, rest = divmod(seconds, durations.DAY)
    if rest or days not in RETENTIONS:
        near = min(RETENTIONS, key=lambda known: abs(known - days))
        what = f"is {durations.render(seconds)}"
        raise InvalidValue(what, "one of the retentions of CloudWatch, such as 90d", f"{near}d")
    return seconds


TopicArn = Annotated[
    str,
    Matching(
        r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}",
        "the ARN of an SNS topic, which is not FIFO",
    ),
]
LogGroupName = Annotated[
    str, Matching(r"[A-Za-z0-9._/#-]{1,512}", "the name of a log group of CloudWatch")
]
BucketName = Annotated[
    str, Matching("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of an S3 bucket, without its ARN")
]
#: A name without path and ARN, which CloudTrail shows in each request under the role.
RoleName = Annotated[str, Matching(r"[A-Za-z0-9_+=,.@-]{1,64}", "the name of an IAM role")]
Retention = Annotated[int, Within("1d", "3653d"), AfterValidator(_retention)]
AlarmThreshold = Annotated[int, Field(ge=0, le=1_000_000)]


class AlarmOverride(Section):
    """Changed keys of an alarm."""

    enabled: bool = Field(True, description="true or false: whether it sends anything")
    threshold: AlarmThreshold = Field(
        _LEFT_OUT,
        description="a whole number from 0, above which the alarm is raised; by default that of"
        " the alarm",
    )
    severity: Severity = Field(
        _LEFT_OUT, description="page or ticket; by default that of the alarm"
    )


def _alarm() -> Any:
    return Field(AlarmOverride(), description="a mapping with enabled, threshold or severity")


class AlarmOverrides(Section):
    """The alarms of an environment."""

    access_failures: AlarmOverride = _alarm()
    throttling: AlarmOverride = _alarm()
    rotation_failed: AlarmOverride = _alarm()
    rotation_overdue: AlarmOverride = _alarm()
    unusual_caller: AlarmOverride = _alarm()
    audit_log_silent: AlarmOverride = _alarm()


class AwsMonitoring(Section):
    """What watches an environment on AWS."""

    page: TopicArn | None = Field(
        None,
        description="the SNS topic for alarms that page the operator; by default one that apply"
        " creates",
    )
    ticket: TopicArn | None = Field(
        None,
        description="the SNS topic for all other alarms; by default one that apply creates",
    )
    trail_bucket: BucketName | None = Field(
        None,
        description="an S3 bucket that CloudTrail may write to, for a trail that apply creates",
    )
    log_group: LogGroupName | None = Field(
        None,
        description="a log group of yours that CloudTrail writes to; by default one that apply"
        " creates",
    )
    retention: Retention = Field(
        90 * durations.DAY,
        description="a duration such as 90d, for which the log group keeps events",
    )
    iam_roles: Distinct[RoleName] = Field(
        (), description="a list of roles of operators and jobs, which may read all secrets"
    )
    runbook: RunbookUrl = Field(
        "docs/Runbook.md", description="address of the runbook that alarms link to"
    )
    alarms: AlarmOverrides = Field(
        AlarmOverrides(), description="entries like 'throttling: {threshold: 100}'"
    )
