"""Values of secrets: written once while there is none, or composed of others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from app_integration.secret import Secret
from app_integration.sources.aws import CURRENT
from aws.reader import AwsReader
from aws.resources.secret import SERVICE, TAGS, describe
from aws.resources.secret_version import current_version, write_version
from vault.declare import derived_secret
from vault.reconcile.resources import OUTDATED, ComposedValue, Fields, SuppliedValue

#: The tag with a hash of the versions that a value was composed of, because a tag has no room for
#: the versions.
_DERIVED_FROM: Final = "derived_from"


@dataclass(frozen=True, slots=True)
class AwsSecretValue(SuppliedValue):
    """A supplied value on AWS."""

    def read(self, reader: AwsReader) -> Fields | None:
        """Return ``present`` if a version of the secret is current, otherwise None."""
        found = describe(reader, self.name)
        return {"value": "present"} if found and current_version(found) else None

    def write(self, session: AwsConnection, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Write the first version, so that a concurrent write is not overwritten."""
        write_version(session, self.name, self.get_value(), None)


@dataclass(frozen=True, slots=True)
class AwsDerivedValue(ComposedValue):
    """A composed value on AWS."""

    def read(self, reader: AwsReader) -> Fields | None:
        """Return the value's state and version, None if the secret has no value.

        It compares the ids of versions only, because a plan must not read secret values.
        """
        found = describe(reader, self.name)
        version = current_version(found) if found else None
        if found is None or version is None:
            return None
        versions = {
            part: current_version(describe(reader, name) or {}) for part, name in self.parts.items()
        }
        tags = TAGS.decode({_DERIVED_FROM: None}, found.get("Tags", ()))
        is_current = tags[_DERIVED_FROM] == _fingerprint(versions)
        return {"value": "current" if is_current else OUTDATED, "version": version}

    def write(self, session: AwsConnection, before: Fields | None) -> None:
        """Read the parts, compose the value and write it."""
        parts = {part: self._read_part(session, name) for part, name in self.parts.items()}
        values = {part: Secret(found["SecretString"]) for part, found in parts.items()}
        value = derived_secret.compose(self.template, values)
        write_version(session, self.name, value, before["version"] if before else None)
        versions = {part: found["VersionId"] for part, found in parts.items()}
        TAGS.write(session, self.name, {_DERIVED_FROM: _fingerprint(versions)}, {})

    def _read_part(self, session: AwsConnection, name: str) -> dict[str, Any]:
        parameters = {"SecretId": name, "VersionStage": CURRENT}
        required = ("SecretString", "VersionId")
        return session.call(AwsRequest(SERVICE, "GetSecretValue", name, parameters, required))


def _fingerprint(versions: Mapping[str, str | None]) -> str:
    text = " ".join(f"{part}@{version}" for part, version in sorted(versions.items()))
    return hashlib.sha256(text.encode()).hexdigest()
