"""Writing of a secret's next version, which no concurrent write can be lost by."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from app_integration._internal.secret_value import check_secret_value
from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from app_integration.errors import ConfigurationError, RequestRefused, StrongroomError
from app_integration.secret import Secret
from app_integration.sources.aws import CURRENT
from aws.resources.secret import SERVICE

#: Label of a version while it is written.
LABEL: Final = "STRONGROOM"
_MAX_SIZE: Final = 65_536  # bytes of a value


class WrittenSince(ConfigurationError):
    """Another version of a secret has become the current one since it was read."""


def current_version(described: Mapping[str, Any]) -> str | None:
    """Return the id of the version that is current in a description, None if none is."""
    return version_with(described, CURRENT)


def version_with(described: Mapping[str, Any], label: str) -> str | None:
    """Return the id of the version that has *label* in a description, None if none has it."""
    versions = described.get("VersionIdsToStages") or {}
    return next((version for version, stages in versions.items() if label in stages), None)


def check_size(name: str, value: Secret) -> None:
    """Raise an error if Secrets Manager does not take a value of this length."""
    size = len(value.reveal().encode())
    if not 0 < size <= _MAX_SIZE:
        raise ConfigurationError(
            f"{name}: the value has {size} bytes, and Secrets Manager takes 1 to {_MAX_SIZE};"
            " provide another one"
        )


def write_version(session: AwsConnection, name: str, value: Secret, seen: str | None) -> None:
    """Write a version under a label of its own, then make it the current one.

    Raises WrittenSince if *seen* is not the current version any more; None stands for no version.
    """
    check_secret_value(name, value)
    check_size(name, value)
    # Chosen here and not by boto3, so that a repeated request writes no second version.
    version = uuid4().hex
    _send(
        session,
        "PutSecretValue",
        name,
        ClientRequestToken=version,
        SecretString=value.reveal(),
        VersionStages=[LABEL],
    )
    try:
        _make_current(session, name, version, seen)
    finally:
        # A version without a label is deleted by AWS.
        with suppress(StrongroomError):
            _move(session, name, LABEL, RemoveFromVersionId=version)


def _make_current(session: AwsConnection, name: str, version: str, seen: str | None) -> None:
    # AWS may make the first version of a secret the current one by itself.
    if seen is None and _read_current(session, name) == version:
        return
    remove = {"RemoveFromVersionId": seen} if seen else {}
    try:
        _move(session, name, CURRENT, MoveToVersionId=version, **remove)
    except RequestRefused:
        # A repeated request is refused as well, if the first one did it.
        if _read_current(session, name) == version:
            return
        raise WrittenSince(
            f"{name} was written by another client since the plan was made; make another plan"
        ) from None


def _read_current(session: AwsConnection, name: str) -> str | None:
    request = AwsRequest(SERVICE, "DescribeSecret", name, {"SecretId": name}, ("ARN",))
    return current_version(session.call(request))


def _move(session: AwsConnection, name: str, label: str, **parameters: str) -> None:
    _send(session, "UpdateSecretVersionStage", name, VersionStage=label, **parameters)


def _send(session: AwsConnection, operation: str, name: str, **parameters: Any) -> dict[str, Any]:
    return session.call(AwsRequest(SERVICE, operation, name, {"SecretId": name, **parameters}))
