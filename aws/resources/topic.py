"""Topics of SNS, which alarms send to."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from aws.iam.widening import policy_widening
from aws.reader import AwsReader
from aws.resources import policy_text
from aws.resources.tags import TagForm, Tags
from vault.reconcile.resources import Fields

_SERVICE: Final = "sns"
_TAGS: Final = TagForm(_SERVICE, "ResourceArn")


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic; *policy* is as :func:`aws.resources.policy_text` returns it."""

    kind: ClassVar[str] = "topic"

    name: str
    arn: str
    policy: str
    tags: Tags

    def desired(self) -> Fields:
        """Return the policy and one field for each managed tag."""
        return {"policy": self.policy, **self.tags}

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the fields of the topic, None if there is none of that name."""
        found = reader.get(
            _SERVICE, "GetTopicAttributes", self.name, "Attributes", TopicArn=self.arn
        )
        if found is None:
            return None
        listed = reader.get_part(
            _SERVICE, "ListTagsForResource", self.name, "Tags", ResourceArn=self.arn
        )
        policy = policy_text(json.loads(found["Attributes"]["Policy"]))
        return {"policy": policy, **_TAGS.decode(self.tags, listed["Tags"])}

    def write(self, session: AwsConnection, before: Fields | None) -> None:
        """Create the topic, or mend the fields that differ."""
        if before is None:
            tags, attributes = _TAGS.encode(self.tags), {"Policy": self.policy}
            self._send(session, "CreateTopic", Name=self.name, Attributes=attributes, Tags=tags)
            return
        if before["policy"] != self.policy:
            changed = {"AttributeName": "Policy", "AttributeValue": self.policy}
            self._send(session, "SetTopicAttributes", TopicArn=self.arn, **changed)
        _TAGS.write(session, self.arn, self.tags, before)

    def widening(self, before: Fields, created: Collection[str]) -> list[str]:
        """Return who may send to the topic that could not."""
        return policy_widening(before["policy"], self.policy, created)

    def _send(self, session: AwsConnection, operation: str, **parameters: Any) -> None:
        session.call(AwsRequest(_SERVICE, operation, self.name, parameters))
