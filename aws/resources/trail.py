"""Trails of CloudTrail, which write the events of an account to a log group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from aws.reader import AwsReader
from aws.resources.tags import TagForm, Tags
from vault.reconcile.resources import Fields

_SERVICE: Final = "cloudtrail"
_TAGS: Final = TagForm(_SERVICE, "ResourceId", "AddTags", "RemoveTags", parameter="TagsList")


@dataclass(frozen=True, slots=True)
class Trail:
    """A trail of all regions, because replicas of secrets are read in others."""

    kind: ClassVar[str] = "trail"

    name: str
    arn: str
    bucket: str
    log_group: str
    role: str
    tags: Tags

    def parameters(self) -> Mapping[str, object]:
        """Return the parameters of a request that writes the trail, but for its name."""
        return {
            "S3BucketName": self.bucket,
            "CloudWatchLogsLogGroupArn": self.log_group,
            "CloudWatchLogsRoleArn": self.role,
            "IsMultiRegionTrail": True,
            "IncludeGlobalServiceEvents": True,
        }

    def desired(self) -> Fields:
        """Return the parameters, that events are written, and one field for each managed tag."""
        return {**self.parameters(), "validates_files": True, "is_logging": True, **self.tags}

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the fields of the trail, None if there is none of that name."""
        found = reader.get(_SERVICE, "GetTrail", self.name, "Trail", Name=self.arn)
        if found is None:
            return None
        trail = found["Trail"]
        status = reader.get_part(_SERVICE, "GetTrailStatus", self.name, "IsLogging", Name=self.arn)
        listed = reader.get_part(
            _SERVICE, "ListTags", self.name, "ResourceTagList", ResourceIdList=[self.arn]
        )
        tags = [tag for each in listed["ResourceTagList"] for tag in each["TagsList"]]
        return {
            **{name: trail.get(name) for name in self.parameters()},
            "validates_files": trail.get("LogFileValidationEnabled"),
            "is_logging": status["IsLogging"],
            **_TAGS.decode(self.tags, tags),
        }

    def write(self, session: AwsConnection, before: Fields | None) -> None:
        """Create the trail, or mend the fields that differ, and let it write."""
        wanted = {"Name": self.name, **self.parameters(), "EnableLogFileValidation": True}
        if before is None:
            self._send(session, "CreateTrail", **wanted, TagsList=_TAGS.encode(self.tags))
        elif any(before[name] != value for name, value in self.desired().items()):
            self._send(session, "UpdateTrail", **wanted)
            _TAGS.write(session, self.arn, self.tags, before)
        if before is None or not before["is_logging"]:
            self._send(session, "StartLogging", Name=self.arn)

    def _send(self, session: AwsConnection, operation: str, **parameters: Any) -> None:
        session.call(AwsRequest(_SERVICE, operation, self.name, parameters))
