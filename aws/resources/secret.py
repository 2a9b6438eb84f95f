"""Secrets of Secrets Manager without their values: description, tags, key and deletion."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from aws.reader import AwsReader
from aws.resources.tags import TagForm, Tags
from vault.declare.schema.aws import AWS_KEY
from vault.reconcile.resources import Fields, check_immutable

SERVICE: Final = "secretsmanager"
TAGS: Final = TagForm(SERVICE, "SecretId")


def describe(reader: AwsReader, name: str) -> dict[str, Any] | None:
    """Return the description of a secret, None if there is none of that name."""
    return reader.get(SERVICE, "DescribeSecret", name, "ARN", SecretId=name)


def list_versions(reader: AwsReader, name: str) -> dict[str, dict[str, Any]]:
    """Return the few versions of a secret that have a label, by their ids."""
    found = reader.get_part(SERVICE, "ListSecretVersionIds", name, "Versions", SecretId=name)
    return {each["VersionId"]: each for each in found["Versions"]}


@dataclass(frozen=True, slots=True)
class AwsSecret:
    """A secret, apart from its value.

    *replicas* maps a region to the KMS key there. Other replicas are not compared, and neither is
    an empty *description*, because AWS cannot clear one.
    """

    kind: ClassVar[str] = "secret-metadata"

    name: str
    description: str
    tags: Tags
    kms_key: str = AWS_KEY
    replicas: Mapping[str, str] = field(default_factory=dict)

    def desired(self) -> Fields:
        """Return the fields of a secret that can be read."""
        description = {"description": self.description} if self.description else {}
        replicas = {_replica(region): key for region, key in self.replicas.items()}
        key = {"state": "present", "kms_key": self.kms_key}
        return {**key, **replicas, **description, **self.tags}

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the fields of the secret, None if there is none of that name."""
        found = describe(reader, self.name)
        if found is None:
            return None
        return {
            "state": "being deleted" if "DeletedDate" in found else "present",
            "kms_key": self._find_key(reader, found),
            **_replicas(found),
            "description": found.get("Description"),
            **TAGS.decode(self.tags, found.get("Tags", ())),
        }

    def _find_key(self, reader: AwsReader, found: Mapping[str, Any]) -> str:
        """Return the key in the form that it is declared in, if it is the declared one."""
        key: str = found.get("KmsKeyId") or AWS_KEY
        if key in (self.kms_key, AWS_KEY):
            return key
        # An alias or an id comes back as it was sent.
        described = reader.get("kms", "DescribeKey", key, "KeyMetadata", KeyId=key)
        if described is None:
            return key
        metadata: dict[str, str] = described["KeyMetadata"]
        return AWS_KEY if metadata.get("KeyManager") == "AWS" else metadata["Arn"]

    def check(self, before: Fields | None) -> None:
        """Check that no replica must get another key, which Secrets Manager does not change."""
        existing = [name for name in map(_replica, self.replicas) if (before or {}).get(name)]
        fix = "remove the replica, and apply again"
        check_immutable(self, before, tuple(existing), fix)

    def widening(self, before: Fields, created: Collection[str]) -> list[str]:  # noqa: ARG002 (protocol)
        """Return what makes the value readable where, or by whom, it is not now."""
        state = before["state"]
        lines = [] if state == "present" else [f"reading of the secret, which is {state}"]
        if before["kms_key"] != self.kms_key:
            bare = "decryption without a permission of KMS, which its own key needed"
            other = f"decryption by whom the policy of {self.kms_key} names (not decided)"
            lines.append(bare if self.kms_key == AWS_KEY else other)
        added = [region for region in self.replicas if not before.get(_replica(region))]
        return [*lines, *(f"a copy of the value in {region}" for region in added)]

    def write(self, session: AwsConnection, before: Fields | None) -> None:
        """Create the secret without a value, or restore and update it."""
        description = {"Description": self.description} if self.description else {}
        key = {"KmsKeyId": self.kms_key}
        if before is None:
            replicas = {"AddReplicaRegions": self._add(self.replicas)} if self.replicas else {}
            own = {} if self.kms_key == AWS_KEY else key
            tags = {"Tags": TAGS.encode(self.tags)}
            parameters = {"Name": self.name, **tags, **description, **own, **replicas}
            session.call(AwsRequest(SERVICE, "CreateSecret", self.name, parameters))
            return
        if before["state"] != "present":
            self._send(session, "RestoreSecret")
        if before["kms_key"] != self.kms_key:
            self._send(session, "UpdateSecret", **key)
        if added := [region for region in self.replicas if not before.get(_replica(region))]:
            self._send(session, "ReplicateSecretToRegions", AddReplicaRegions=self._add(added))
        if description and before["description"] != self.description:
            self._send(session, "UpdateSecret", **description)
        TAGS.write(session, self.name, self.tags, before)

    def _add(self, regions: Collection[str]) -> list[dict[str, str]]:
        return [{"Region": region, "KmsKeyId": self.replicas[region]} for region in regions]

    def _send(self, session: AwsConnection, operation: str, **parameters: Any) -> None:
        request = {"SecretId": self.name, **parameters}
        session.call(AwsRequest(SERVICE, operation, self.name, request))


def _replica(region: str) -> str:
    return f"replica in {region}"


def _replicas(found: Mapping[str, Any]) -> Fields:
    """Return the key of each replica, or why there is none."""
    return {
        _replica(each["Region"]): f"failed: {each.get('StatusMessage')}"
        if each.get("Status") == "Failed"
        else each.get("KmsKeyId") or AWS_KEY
        for each in found.get("ReplicationStatus", ())
    }
