"""KV secrets: their custom metadata, and values that are written only if the secret has none."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final

from app_integration.errors import ConfigurationError
from app_integration.names import COMPOSED_KEY, KV_MOUNT
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.declare import derived_secret, durations
from vault.declare.schema.secret_sources import ALPHABETS
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import (
    OUTDATED,
    ComposedValue,
    Fields,
    ReadSession,
    SuppliedValue,
    read_data,
)
from vault.reconcile.resources.kv import (
    find_no_value,
    merge_metadata,
    metadata_path,
    read_value,
    write_value,
)
from vault.reconcile.resources.marks import check_format

MANAGED_BY: Final = {"managed_by": "strongroom"}
#: The metadata key under which a derived value records the versions of its parts.
_DERIVED_FROM: Final = "derived_from"


def generate_value(length: int, characters: str) -> Secret:
    """Return *length* random characters of *characters*."""
    return Secret("".join(secrets.choice(characters) for _ in range(length)))


@dataclass(frozen=True, slots=True)
class SecretMetadata:
    """Custom metadata of a secret. A key whose tag is None must not exist; those of others stay."""

    kind: ClassVar[str] = "secret-metadata"
    depends_on: ClassVar[tuple[str, ...]] = ("kv-config",)

    name: str
    tags: Mapping[str, str | None]
    mount: str = KV_MOUNT

    def desired(self) -> Fields:
        """Return one field for each managed metadata key."""
        return {**MANAGED_BY, **self.tags}

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the managed keys of the server's metadata, None if the secret does not exist."""
        data = read_data(reader, metadata_path(self.name, self.mount))
        if data is None:
            return None
        custom = data["custom_metadata"] or {}
        check_format(custom, f"{self.kind} {self.name}")
        return {key: _equal_period(value, custom.get(key)) for key, value in self.desired().items()}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Merge the managed keys into the existing metadata."""
        merge_metadata(session, self.name, self.desired(), self.mount)


@dataclass(frozen=True, slots=True)
class SecretValue(SuppliedValue):
    """A supplied value in KV. One that someone deleted on purpose is not written again."""

    depends_on: ClassVar[tuple[str, ...]] = ("secret-metadata",)

    mount: str = KV_MOUNT

    def read(self, reader: ReadSession) -> Fields | None:
        """Return ``present``, ``deleted``, ``destroyed``, or None without any version."""
        data = read_data(reader, metadata_path(self.name, self.mount))
        if not data or not data["current_version"]:
            return None
        if (data["custom_metadata"] or {}).get(COMPOSED_KEY) == str(data["current_version"]):
            secret = self.name.split("/", 2)[-1]
            raise ConfigurationError(
                f"{self.name} is adopted on the server but not in the declaration; declare it as "
                f"adopted again, or undo the adoption: strongroom adopt {secret} --undo"
            )
        return {"value": find_no_value(data, datetime.now(UTC)) or "present"}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Write version 1, with check-and-set so that a concurrent write is not overwritten."""
        write_value(session, self.name, self.get_value(), cas=0, mount=self.mount)


@dataclass(frozen=True, slots=True)
class DerivedValue(ComposedValue):
    """A composed value in KV."""

    depends_on: ClassVar[tuple[str, ...]] = ("secret-value", "adopted-secret")

    mount: str = KV_MOUNT

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the value's state, None if the secret has never had one.

        It is ``current``, ``outdated``, ``deleted`` or ``destroyed``. This compares version
        numbers only, because a plan must not read secret values.
        """
        data = read_data(reader, metadata_path(self.name, self.mount))
        if data is None or not data["current_version"]:
            return None
        parts_used = (data["custom_metadata"] or {}).get(_DERIVED_FROM)
        if parts_used != self._part_versions(reader):
            return {"value": OUTDATED}
        return {"value": find_no_value(data, datetime.now(UTC)) or "current"}

    def write(self, session: Session, before: Fields | None) -> None:
        """Read the parts, compose the value and write it.

        Check-and-set rejects it after a version that was written since the plan, or since the
        ``version`` in *before*.
        """
        data = read_data(session, metadata_path(self.name, self.mount)) or {}
        versions = self._part_versions(session)
        values = {part: read_value(session, path, self.mount) for part, path in self.parts.items()}
        value = derived_secret.compose(self.template, values)
        current = (before or {}).get("version", data.get("current_version", 0))
        write_value(session, self.name, value, cas=current, mount=self.mount)
        merge_metadata(session, self.name, {_DERIVED_FROM: versions}, self.mount)

    def _part_versions(self, reader: ReadSession) -> str:
        found = {
            part: read_data(reader, metadata_path(path, self.mount)) or {}
            for part, path in self.parts.items()
        }
        return " ".join(
            f"{part}@{data.get('current_version', 0)}" for part, data in sorted(found.items())
        )


def provided_value(inputs: Inputs, name: str, mount: str = KV_MOUNT) -> SecretValue:
    """Return the resource of an operator-provided value, in *inputs* as ``<mount>/<name>``."""
    path = f"{mount}/{name}"
    available = inputs.get(path) is not None
    return SecretValue(name, available, lambda: inputs.get_required(path), mount)


def generated_value(name: str, length: int, alphabet: str, mount: str = KV_MOUNT) -> SecretValue:
    """Return the resource of a random value."""
    characters = ALPHABETS[alphabet]
    return SecretValue(
        name,
        available=True,
        get_value=lambda: generate_value(length, characters),
        mount=mount,
    )


def _equal_period(declared: str | None, found: str | None) -> str | None:
    """Return *declared* if *found* is the same time, such as 2160h for 90d, else *found*."""
    if found == declared:
        return found
    try:
        same = durations.normalise(found or "") == durations.normalise(declared or "")
    except ValueError:
        return found
    return declared if found and same else found
