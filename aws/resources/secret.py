"""Secrets of Secrets Manager without their values: description, tags, key and deletion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from aws.reader import AwsReader
from aws.resources.tags import TagForm, Tags
from vault.reconcile.resources import Fields

SERVICE: Final = "secretsmanager"
#: The key of AWS for secrets, under which a reader needs no permission of KMS.
_DEFAULT_KEY: Final = "alias/aws/secretsmanager"
TAGS: Final = TagForm(SERVICE, "SecretId")


def describe(reader: AwsReader, name: str) -> dict[str, Any] | None:
    """Return the description of a secret, None if there is none of that name."""
    return reader.get(SERVICE, "DescribeSecret", name, "ARN", SecretId=name)


def list_versions(reader: AwsReader, name: str) -> dict[str, dict[str, Any]]:
    """Return the versions of a secret that have a label, of which there are few, by their ids."""
    found = reader.get_part(SERVICE, "ListSecretVersionIds", name, "Versions", SecretId=name)
    return {each["VersionId"]: each for each in found["Versions"]}


@dataclass(frozen=True, slots=True)
class AwsSecret:
    """A secret, apart from its value.

    Attributes:
        name: Such as ``gaara-store/prod/jwt-secret``.
        description: What the secret is for. AWS cannot clear it, so it is not compared if empty.
        tags: The managed tags.

    """

    kind: ClassVar[str] = "secret-metadata"

    name: str
    description: str
    tags: Tags

    def desired(self) -> Fields:
        """Return the fields of a secret that can be read."""
        description = {"description": self.description} if self.description else {}
        return {"state": "present", "kms_key": _DEFAULT_KEY, **description, **self.tags}

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the fields of the secret, None if there is none of that name."""
        found = describe(reader, self.name)
        if found is None:
            return None
        return {
            "state": "being deleted" if "DeletedDate" in found else "present",
            "kms_key": found.get("KmsKeyId", _DEFAULT_KEY),
            "description": found.get("Description"),
            **TAGS.decode(self.tags, found.get("Tags", ())),
        }

    def write(self, session: AwsConnection, before: Fields | None) -> None:
        """Create the secret without a value, or restore and update it."""
        description = {"Description": self.description} if self.description else {}
        if before is None:
            parameters = {"Name": self.name, "Tags": TAGS.encode(self.tags), **description}
            session.call(AwsRequest(SERVICE, "CreateSecret", self.name, parameters))
            return
        if before["state"] != "present":
            self._send(session, "RestoreSecret")
        if before["kms_key"] != _DEFAULT_KEY:
            self._send(session, "UpdateSecret", KmsKeyId=_DEFAULT_KEY)
        if description and before["description"] != self.description:
            self._send(session, "UpdateSecret", **description)
        TAGS.write(session, self.name, self.tags, before)

    def _send(self, session: AwsConnection, operation: str, **parameters: Any) -> None:
        request = {"SecretId": self.name, **parameters}
        session.call(AwsRequest(SERVICE, operation, self.name, request))
