"""Ages of secrets: when the current version of each was created. No value is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app_integration.sources.aws import CURRENT, PREVIOUS
from aws.reader import AwsReader
from aws.resources.secret import describe, list_versions
from vault.rotation.server_ages import Age


def read_age(reader: AwsReader, name: str) -> Age:
    """Return the age of a secret, which is that of its current version.

    ``LastRotatedDate`` is set by AWS's own rotations only, and ``LastChangedDate`` by a tag, too.
    """
    described = describe(reader, name)
    if described is None:
        return Age(reason="there is no such secret")
    if "DeletedDate" in described:
        return Age(reason="the secret is being deleted")
    versions = list_versions(reader, name).values()
    current, previous = (_find(versions, label) for label in (CURRENT, PREVIOUS))
    if current is None:
        return Age(reason="no version was written")
    created = current["CreatedDate"]
    return Age(created, created if previous else None)


def _find(versions: Iterable[dict[str, Any]], label: str) -> dict[str, Any] | None:
    return next((each for each in versions if label in each.get("VersionStages", ())), None)
