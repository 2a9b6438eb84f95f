"""Roles of IAM with the managed policies that they need, and their instance profiles."""

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

_TAGS: Final = TagForm("iam", "RoleName", "TagRole", "UntagRole")


@dataclass(frozen=True, slots=True)
class IamRole:
    """A role; *trust* is as :func:`aws.resources.policy_text` returns it.

    *policies* has the ARNs of the managed policies that it needs. Others that are attached are the
    team's, and are not compared.
    """

    kind: ClassVar[str] = "iam-role"

    name: str
    trust: str
    policies: tuple[str, ...]
    tags: Tags

    def desired(self) -> Fields:
        """Return the trust policy, and one field for each policy and managed tag."""
        return {"trust": self.trust, **dict.fromkeys(self.policies, "attached"), **self.tags}

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the fields of the role, None if there is none of that name."""
        found = reader.get("iam", "GetRole", self.name, "Role", RoleName=self.name)
        if found is None:
            return None
        listed = reader.get_part(
            "iam", "ListAttachedRolePolicies", self.name, "AttachedPolicies", RoleName=self.name
        )
        attached = {each["PolicyArn"] for each in listed["AttachedPolicies"]}
        return {
            "trust": policy_text(found["Role"]["AssumeRolePolicyDocument"]),
            **{arn: "attached" if arn in attached else None for arn in self.policies},
            **_TAGS.decode(self.tags, found["Role"].get("Tags", ())),
        }

    def write(self, session: AwsConnection, before: Fields | None) -> None:
        """Create the role, or mend the fields that differ."""
        if before is None:
            tags = _TAGS.encode(self.tags)
            self._send(session, "CreateRole", AssumeRolePolicyDocument=self.trust, Tags=tags)
            before = {"trust": self.trust, **self.tags}
        if before["trust"] != self.trust:
            self._send(session, "UpdateAssumeRolePolicy", PolicyDocument=self.trust)
        for arn in self.policies:
            if not before.get(arn):
                self._send(session, "AttachRolePolicy", PolicyArn=arn)
        _TAGS.write(session, self.name, self.tags, before)

    def widening(self, before: Fields, created: Collection[str]) -> list[str]:  # noqa: ARG002 (protocol)
        """Return who may assume the role that could not, and which permissions it gets."""
        attached = [f"what {arn} allows" for arn in self.policies if not before[arn]]
        return [*policy_widening(before["trust"], self.trust), *attached]

    def _send(self, session: AwsConnection, operation: str, **parameters: Any) -> None:
        request = {"RoleName": self.name, **parameters}
        session.call(AwsRequest("iam", operation, self.name, request))


@dataclass(frozen=True, slots=True)
class InstanceProfile:
    """An instance profile without tags, which gives instances the role of the same name."""

    kind: ClassVar[str] = "instance-profile"

    name: str

    def desired(self) -> Fields:
        """Return the role."""
        return {"role": self.name}

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the role, None if there is no profile of that name."""
        parameters = {"InstanceProfileName": self.name}
        found = reader.get("iam", "GetInstanceProfile", self.name, "InstanceProfile", **parameters)
        roles = found["InstanceProfile"]["Roles"] if found else ()
        return found and {"role": next((each["RoleName"] for each in roles), None)}

    def write(self, session: AwsConnection, before: Fields | None) -> None:
        """Create the profile, and give it the role in place of another one."""
        if before is None:
            self._send(session, "CreateInstanceProfile")
        elif before["role"] is not None:
            self._send(session, "RemoveRoleFromInstanceProfile", RoleName=before["role"])
        self._send(session, "AddRoleToInstanceProfile", RoleName=self.name)

    def widening(self, before: Fields, created: Collection[str]) -> list[str]:  # noqa: ARG002 (protocol)
        """Return that instances get the role."""
        return [] if before["role"] == self.name else [f"the role {self.name} for its instances"]

    def _send(self, session: AwsConnection, operation: str, **parameters: str) -> None:
        request = {"InstanceProfileName": self.name, **parameters}
        session.call(AwsRequest("iam", operation, self.name, request))
