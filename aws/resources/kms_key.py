"""KMS keys, each known by its alias."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from app_integration.errors import StrongroomError
from aws.iam.service_policy import KEY_TAG
from aws.iam.widening import policy_widening
from aws.reader import AwsReader
from aws.resources import policy_text
from aws.resources.tags import TagForm, Tags
from vault.declare import durations
from vault.reconcile.resources import UNREPORTED, CannotChange, Fields

_TAGS: Final = TagForm("kms", "KeyId", prefix="Tag")
_SHORTEST_WAIT: Final = 7  # days before a key is deleted
_PENDING: Final = "PendingDeletion"


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A symmetric key, and the alias that names the one of its versions that encrypts.

    *name* is the alias without ``alias/``, *policy* is as :func:`aws.resources.policy_text` returns
    it, and *rotation_period* is in seconds.
    """

    kind: ClassVar[str] = "kms-key"

    name: str
    description: str
    policy: str
    tags: Tags
    rotation_period: int

    @property
    def alias(self) -> str:
        """Return the name of the alias."""
        return f"alias/{self.name}"

    def desired(self) -> Fields:
        """Return the fields of a key that can be used."""
        return {
            "key_state": "Enabled",
            "key_spec": "SYMMETRIC_DEFAULT",
            "description": self.description,
            "policy": self.policy,
            "rotation_period": self.rotation_period,
            **self.tags,
        }

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the fields of the key that the alias stands for, None if there is no alias."""
        described = reader.get("kms", "DescribeKey", self.alias, "KeyMetadata", KeyId=self.alias)
        if described is None:
            return None
        metadata = described["KeyMetadata"]
        key = metadata["KeyId"]
        get = partial(reader.get_part, "kms", KeyId=key)
        policy = get("GetKeyPolicy", self.alias, "Policy", PolicyName="default")["Policy"]
        tags = get("ListResourceTags", self.alias, "Tags")["Tags"]
        rotation = get("GetKeyRotationStatus", self.alias, "KeyRotationEnabled")
        return {
            "key_state": metadata["KeyState"],
            "key_spec": metadata.get("KeySpec", UNREPORTED),
            "description": metadata["Description"],
            "policy": policy_text(json.loads(policy)),
            "rotation_period": self._rotation_period(rotation),
            **_TAGS.decode(self.tags, tags),
        }

    def _rotation_period(self, status: Mapping[str, Any]) -> object:
        """Return the seconds between two rotations, None if there are none."""
        if not status["KeyRotationEnabled"]:
            return None
        days = status.get("RotationPeriodInDays")
        if days is None:
            return UNREPORTED
        return days * durations.DAY

    def write(self, session: AwsConnection, before: Fields | None) -> None:
        """Create the key and its alias, or mend the fields that differ."""
        self._check_spec(before)
        if before is None:
            key = self._create(session)
            before = {**self.desired(), "rotation_period": None}
        else:
            key = self._find_key(session)
        self._write_state(session, key, before)
        if before["description"] != self.description:
            self._send(session, "UpdateKeyDescription", KeyId=key, Description=self.description)
        if before["policy"] != self.policy:
            self._send(session, "PutKeyPolicy", KeyId=key, PolicyName="default", Policy=self.policy)
        self._write_rotation(session, key, before)
        _TAGS.write(session, key, self.tags, before)

    def widening(self, before: Fields, created: Collection[str]) -> list[str]:
        """Return who may do more with the key than now, by its policy, its tag or its state."""
        lines = []
        if before["key_state"] != "Enabled":
            lines.append(f"use of the key, which is {before['key_state']}")
        if before[KEY_TAG] != self.tags[KEY_TAG]:
            lines.append(f"use of the key by the services whose IAM policies name {self.name}")
        return [*lines, *policy_widening(before["policy"], self.policy, created)]

    def _check_spec(self, before: Fields | None) -> None:
        spec = self.desired()["key_spec"]
        if before is not None and before["key_spec"] not in (spec, UNREPORTED):
            raise CannotChange(
                f"{self.alias} stands for a key of the kind {before['key_spec']}, which cannot be "
                "changed; move the alias to a symmetric key: aws kms update-alias --alias-name "
                f"{self.alias} --target-key-id KEY"
            )

    def _create(self, session: AwsConnection) -> str:
        """Create the key and its alias, and return the key's id."""
        parameters = {
            "Description": self.description,
            "Policy": self.policy,
            "Tags": _TAGS.encode(self.tags),
        }
        # Not repeated, because a second request would create a second key.
        request = AwsRequest(
            "kms", "CreateKey", self.alias, parameters, ("KeyMetadata",), is_repeatable=False
        )
        key: str = session.call(request)["KeyMetadata"]["KeyId"]
        try:
            self._send(session, "CreateAlias", AliasName=self.alias, TargetKeyId=key)
        except StrongroomError:
            # It may have succeeded: its response was lost, or a repeated request was refused.
            with suppress(StrongroomError):
                if self._find_key(session) == key:
                    return key
            # The key has encrypted nothing, and would be paid for without an alias.
            with suppress(StrongroomError):
                self._send(
                    session, "ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=_SHORTEST_WAIT
                )
            raise
        return key

    def _find_key(self, session: AwsConnection) -> str:
        """Return the id of the key that the alias stands for."""
        request = AwsRequest(
            "kms", "DescribeKey", self.alias, {"KeyId": self.alias}, ("KeyMetadata",)
        )
        key: str = session.call(request)["KeyMetadata"]["KeyId"]
        return key

    def _write_state(self, session: AwsConnection, key: str, before: Fields) -> None:
        if before["key_state"] == _PENDING:
            self._send(session, "CancelKeyDeletion", KeyId=key)
        if before["key_state"] != "Enabled":
            self._send(session, "EnableKey", KeyId=key)

    def _write_rotation(self, session: AwsConnection, key: str, before: Fields) -> None:
        if before["rotation_period"] not in (self.rotation_period, UNREPORTED):
            days = self.rotation_period // durations.DAY
            self._send(session, "EnableKeyRotation", KeyId=key, RotationPeriodInDays=days)

    def _send(self, session: AwsConnection, operation: str, **parameters: Any) -> dict[str, Any]:
        return session.call(AwsRequest("kms", operation, self.alias, parameters))
