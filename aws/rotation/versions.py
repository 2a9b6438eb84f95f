"""Versions of one secret in Secrets Manager: reads, the write under a token, the promotion.

Each request names its stage explicitly, because the stages of a version move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

from app_integration.aws.request import AwsRequest
from app_integration.errors import RequestRefused
from app_integration.observability import redaction
from app_integration.secret import Secret
from app_integration.sources.aws import CURRENT, NEXT, PREVIOUS
from aws.rotation.errors import RotationRefused

PENDING: Final = "AWSPENDING"
_SERVICE: Final = "secretsmanager"
_ABSENT: Final = "ResourceNotFoundException"
_EXISTS: Final = "ResourceExistsException"

#: Sends a request, as :meth:`app_integration.aws.connection.AwsConnection.call`.
Call: TypeAlias = Callable[[AwsRequest], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Description:
    """Description of a secret, which has no value.

    *stages* maps the id of a version to its labels; *last_rotated* is when a rotation last ended.
    """

    name: str
    is_rotated: bool
    tags: Mapping[str, str]
    stages: Mapping[str, tuple[str, ...]]
    last_rotated: datetime | None = None

    @property
    def current(self) -> str | None:
        """Return the id of the current version, None if there is none."""
        return next((each for each, labels in self.stages.items() if CURRENT in labels), None)

    @property
    def has_previous(self) -> bool:
        """Return whether there is a version before the current one, which a rotation retires."""
        return any(PREVIOUS in labels for labels in self.stages.values())


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version with its value."""

    id: str
    value: Secret = field(repr=False)
    created: datetime


class SecretVersions:
    """Versions of one *secret*, a name or an ARN."""

    def __init__(self, call: Call, secret: str) -> None:
        self._call = call
        self.secret = secret

    def describe(self) -> Description:
        """Return the description of the secret."""
        found = self._send("DescribeSecret", "Name")
        return Description(
            name=found["Name"],
            is_rotated=bool(found.get("RotationEnabled")),
            tags={tag["Key"]: tag["Value"] for tag in found.get("Tags") or ()},
            stages={
                version: tuple(labels)
                for version, labels in (found.get("VersionIdsToStages") or {}).items()
            },
            last_rotated=found.get("LastRotatedDate"),
        )

    def current(self) -> StoredVersion:
        """Return the current version."""
        found = self._read(VersionStage=CURRENT)
        if found is None:
            raise RotationRefused(f"{self.secret} has no value; write one with strongroom apply")
        return found

    def pending(self, token: str) -> StoredVersion | None:
        """Return the pending version *token*, None while it has no value."""
        return self._read(VersionId=token, VersionStage=PENDING)

    def announced(self) -> StoredVersion | None:
        """Return the announced version, None if there is none."""
        return self._read(VersionStage=NEXT)

    def put(self, token: str, value: Secret, label: str = PENDING) -> None:
        """Write *value* as the version *token*, unless another invocation has done so."""
        redaction.live.add(value)
        try:
            self._send(
                "PutSecretValue",
                ClientRequestToken=token,
                SecretString=value.reveal(),
                VersionStages=[label],
            )
        except RequestRefused as refused:
            if _code(refused) != _EXISTS:
                raise

    def promote(self, token: str, current: str) -> None:
        """Make the version *token* current, unless another one than *current* came first."""
        try:
            self._send(
                "UpdateSecretVersionStage",
                VersionStage=CURRENT,
                MoveToVersionId=token,
                RemoveFromVersionId=current,
            )
        except RequestRefused:
            # A repeated request is refused as well, if the first one did it.
            if self.describe().current == token:
                return
            raise RotationRefused(
                f"{self.secret} was written by another client during the rotation; the value of "
                "the rotation is not promoted. Rotate it again"
            ) from None

    def _read(self, **selection: str) -> StoredVersion | None:
        try:
            found = self._send("GetSecretValue", "VersionId", "CreatedDate", **selection)
        except RequestRefused as refused:
            if _code(refused) == _ABSENT:
                return None
            raise
        text = found.get("SecretString")
        if not isinstance(text, str):
            del text
            raise RotationRefused(f"{self.secret} is binary; write it again as text")
        value = Secret(text)
        redaction.live.add(value)
        return StoredVersion(found["VersionId"], value, found["CreatedDate"])

    def _send(self, operation: str, *required: str, **parameters: Any) -> Mapping[str, Any]:
        sent = {"SecretId": self.secret, **parameters}
        return self._call(AwsRequest(_SERVICE, operation, self.secret, sent, required))


def _code(refused: RequestRefused) -> str | None:
    code: str | None = (refused.data or {}).get("code")
    return code
