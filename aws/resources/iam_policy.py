"""Managed policies of IAM, which a team attaches to the role of its application."""

from __future__ import annotations

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

_TAGS: Final = TagForm("iam", "PolicyArn", "TagPolicy", "UntagPolicy")
_MAX_VERSIONS: Final = 5  # that IAM keeps of a policy


@dataclass(frozen=True, slots=True)
class IamPolicy:
    """A managed policy; *document* is as :func:`aws.resources.policy_text` returns it."""

    kind: ClassVar[str] = "iam-policy"

    name: str
    arn: str
    document: str
    tags: Tags

    def desired(self) -> Fields:
        """Return the document and one field for each managed tag."""
        return {"document": self.document, **self.tags}

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the default version's document and the tags, None if there is no policy."""
        found = reader.get("iam", "GetPolicy", self.name, "Policy", PolicyArn=self.arn)
        if found is None:
            return None
        version = reader.get_part(
            "iam",
            "GetPolicyVersion",
            self.name,
            "PolicyVersion",
            PolicyArn=self.arn,
            VersionId=found["Policy"]["DefaultVersionId"],
        )
        document = version["PolicyVersion"]["Document"]
        tags = _TAGS.decode(self.tags, found["Policy"].get("Tags", ()))
        return {"document": policy_text(document), **tags}

    def write(self, session: AwsConnection, before: Fields | None) -> None:
        """Create the policy, or make a new version of it the default."""
        if before is None:
            self._send(
                session,
                "CreatePolicy",
                PolicyName=self.name,
                PolicyDocument=self.document,
                Tags=_TAGS.encode(self.tags),
            )
            return
        if before["document"] != self.document:
            self._delete_oldest_version(session)
            self._send(
                session,
                "CreatePolicyVersion",
                PolicyArn=self.arn,
                PolicyDocument=self.document,
                SetAsDefault=True,
            )
        _TAGS.write(session, self.arn, self.tags, before)

    def widening(self, before: Fields, created: Collection[str]) -> list[str]:
        """Return what the document may grant beyond the one that is the default now."""
        return policy_widening(before["document"], self.document, created)

    def _delete_oldest_version(self, session: AwsConnection) -> None:
        """Delete the oldest version that is not the default, if there is no room for another."""
        versions = self._send(session, "ListPolicyVersions", PolicyArn=self.arn)["Versions"]
        if len(versions) < _MAX_VERSIONS:
            return
        others = [each for each in versions if not each["IsDefaultVersion"]]
        oldest = min(others, key=lambda each: each["CreateDate"])["VersionId"]
        self._send(session, "DeletePolicyVersion", PolicyArn=self.arn, VersionId=oldest)

    def _send(self, session: AwsConnection, operation: str, **parameters: Any) -> dict[str, Any]:
        return session.call(AwsRequest("iam", operation, self.name, parameters))
