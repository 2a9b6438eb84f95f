"""Log groups of CloudWatch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from app_integration.errors import RequestRefused
from aws.reader import AwsReader
from aws.resources.tags import Tags
from vault.declare import durations
from vault.reconcile.resources import UNREPORTED, Fields, check_immutable

_SERVICE: Final = "logs"
#: The only class whose events metric filters count.
_CLASS: Final = "STANDARD"


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A log group, which keeps events for *retention* seconds."""

    kind: ClassVar[str] = "log-group"

    name: str
    arn: str
    retention: int
    tags: Tags

    def desired(self) -> Fields:
        """Return the class, the retention and one field for each managed tag."""
        return {"class": _CLASS, "retention_period": self.retention, **self.tags}

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the fields of the group, None if there is none of that name."""
        found = reader.get(
            _SERVICE, "DescribeLogGroups", self.name, "logGroups", logGroupNamePrefix=self.name
        )
        # Sorted by name, so that the whole name comes first among those that begin with it.
        groups = found["logGroups"][:1] if found else []
        if not groups or groups[0]["logGroupName"] != self.name:
            return None
        listed = reader.get_part(
            _SERVICE, "ListTagsForResource", self.name, "tags", resourceArn=self.arn
        )
        days = groups[0].get("retentionInDays")
        return {
            "class": groups[0].get("logGroupClass", UNREPORTED),
            "retention_period": days and days * durations.DAY,
            **{key: listed["tags"].get(key) for key in self.tags},
        }

    def write(self, session: AwsConnection, before: Fields | None) -> None:
        """Create the group, or mend the fields that differ."""
        check_immutable(self, before, ("class",))
        if before is None:
            self._create(session)
        if before is None or before["retention_period"] != self.retention:
            self._send(
                session, "PutRetentionPolicy", retentionInDays=self.retention // durations.DAY
            )
        changed = {
            key: value for key, value in self.tags.items() if before and before[key] != value
        }
        if changed:
            parameters = {"resourceArn": self.arn, "tags": changed}
            session.call(AwsRequest(_SERVICE, "TagResource", self.name, parameters))

    def _create(self, session: AwsConnection) -> None:
        """Create the group. A request that was repeated after a lost response is refused."""
        try:
            self._send(session, "CreateLogGroup", logGroupClass=_CLASS, tags={**self.tags})
        except RequestRefused as refused:
            if (refused.data or {}).get("code") != "ResourceAlreadyExistsException":
                raise

    def _send(self, session: AwsConnection, operation: str, **parameters: Any) -> None:
        request = {"logGroupName": self.name, **parameters}
        session.call(AwsRequest(_SERVICE, operation, self.name, request))
