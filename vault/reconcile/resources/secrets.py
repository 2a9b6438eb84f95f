"""KV secrets: their metadata, and the values that are written only when absent."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from app_integration.errors import ConfigurationError, SecretError
from app_integration.names import COMPOSED_KEY, KV_MOUNT, VALUE_KEY, check_secret_value
from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.declare import derived, durations
from vault.declare.schema.model import ALPHABETS
from vault.reconcile.inputs import Inputs
from vault.reconcile.resources import Fields, Reader, read_data

MANAGED_BY: Final = {"managed_by": "strongroom"}
#: Derived values remember the versions they were made of under this metadata key.
_MADE_OF: Final = "derived_from"


def generate(length: int, alphabet: str) -> Secret:
    """*length* random characters of *alphabet*."""
    return Secret("".join(secrets.choice(alphabet) for _ in range(length)))


@dataclass(frozen=True, slots=True)
class SecretMetadata:
    """What is told about a secret beside its value. Other people's metadata keys are kept.

    Attributes:
        tags: our keys; None for one that must not be there.

    """

    kind: ClassVar[str] = "secret-metadata"

    name: str
    tags: Mapping[str, str | None]

    def desired(self) -> Fields:
        """One field for each metadata key of ours."""
        return {**MANAGED_BY, **self.tags}

    def read(self, reader: Reader) -> Fields | None:
        """Of the server's metadata, our keys."""
        data = read_data(reader, metadata_path(self.name))
        if data is None:
            return None
        custom = data["custom_metadata"] or {}
        return {key: _same_period(value, custom.get(key)) for key, value in self.desired().items()}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Merge our keys into what is there."""
        merge_metadata(session, self.name, self.desired())


@dataclass(frozen=True, slots=True)
class SecretValue:
    """A value that is written once, when the secret has none: generated, or given.

    A value that was deleted on purpose isn't written again.

    Attributes:
        origin: ``generated`` or ``given``, shown in the plan.
        available: whether there is a value to write; a given one may still be missing.
        make: gives the value.

    """

    kind: ClassVar[str] = "secret-value"

    name: str
    origin: str
    available: bool
    make: Callable[[], Secret] = field(repr=False)

    def desired(self) -> Fields:
        """That there is a value."""
        return {"value": "present"}

    def read(self, reader: Reader) -> Fields | None:
        """Present once any version was ever written.

        Raises:
            ConfigurationError: it is composed with the password of a static role, which would go.

        """
        data = read_data(reader, metadata_path(self.name))
        if not data or not data["current_version"]:
            return None
        if (data["custom_metadata"] or {}).get(COMPOSED_KEY) == str(data["current_version"]):
            secret = self.name.split("/", 2)[-1]
            raise ConfigurationError(
                f"{self.name} is adopted on the server and not in the declaration; declare it "
                f"again, or go back with: strongroom adopt {secret} --undo"
            )
        return {"value": "present"}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Write version 1. Check-and-set keeps a value that somebody else wrote meanwhile."""
        write_value(session, self.name, self.make(), cas=0)


@dataclass(frozen=True, slots=True)
class DerivedValue:
    """A value composed of others, written again when one of them has a new version.

    Attributes:
        template: see :mod:`vault.declare.derived`.
        parts: the names that *template* uses → their paths below the mount.

    """

    kind: ClassVar[str] = "derived-secret"

    name: str
    template: str
    parts: Mapping[str, str]

    def desired(self) -> Fields:
        """That it is made of the current versions; which those are, :meth:`read` finds out."""
        return {"value": "current"}

    def read(self, reader: Reader) -> Fields | None:
        """Compares version numbers only: no value is read for a plan."""
        data = read_data(reader, metadata_path(self.name))
        if data is None or not data["current_version"]:
            return None
        made_of = (data["custom_metadata"] or {}).get(_MADE_OF)
        return {"value": "current" if made_of == self._versions(reader) else "outdated"}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Read the parts, compose, write."""
        data = read_data(session, metadata_path(self.name)) or {}
        versions = self._versions(session)
        values = {part: read_value(session, path) for part, path in self.parts.items()}
        value = derived.compose(self.template, values)
        # Check-and-set: what somebody else wrote since the plan isn't lost unseen.
        write_value(session, self.name, value, cas=data.get("current_version", 0))
        merge_metadata(session, self.name, {_MADE_OF: versions})

    def _versions(self, reader: Reader) -> str:
        found = {
            part: (read_data(reader, metadata_path(path)) or {}).get("current_version", 0)
            for part, path in self.parts.items()
        }
        return " ".join(f"{part}@{version}" for part, version in sorted(found.items()))


def given(supply: Inputs, name: str) -> SecretValue:
    """A value that a person or the local runtime gives, supplied as ``secret/<name>``."""
    path = f"{KV_MOUNT}/{name}"
    available = supply.get(path) is not None
    return SecretValue(name, "given", available, lambda: supply.required(path))


def generated(name: str, length: int, alphabet: str) -> SecretValue:
    """A random value of *length* characters, from the *alphabet* of that name."""
    characters = ALPHABETS[alphabet]
    return SecretValue(name, "generated", available=True, make=lambda: generate(length, characters))


def data_path(name: str) -> str:
    """API path of the value of *name* (a path below the mount)."""
    return f"{KV_MOUNT}/data/{name}"


def metadata_path(name: str) -> str:
    """API path of the metadata of *name*."""
    return f"{KV_MOUNT}/metadata/{name}"


def read_value(reader: Reader, name: str) -> str:
    """The value of *name* (a path below the mount).

    Raises:
        SecretError: what is there has no string as its value: somebody wrote it by hand.

    """
    value = reader.get(data_path(name))["data"]["data"].get(VALUE_KEY)
    if not isinstance(value, str):
        raise SecretError(f"{data_path(name)} has no string under {VALUE_KEY!r}; write it again")
    return value


def write_value(session: Session, name: str, value: Secret, *, cas: int | None = None) -> int:
    """Write *value* as a new version, whose number comes back.

    Args:
        session: a login that may write.
        name: path below the mount.
        value: see :func:`app_integration.names.check_secret_value`.
        cas: the version that must be current, 0 for none; None writes in any case.

    """
    check_secret_value(name, value)
    options: dict[str, Any] = {} if cas is None else {"options": {"cas": cas}}
    body = {"data": {VALUE_KEY: value.reveal()}, **options}
    answer = session.post(data_path(name), body, retry=False)
    version: int = answer["data"]["version"]
    return version


def merge_metadata(session: Session, name: str, ours: Mapping[str, str | None]) -> None:
    """Set the custom metadata keys *ours*, drop those that are None, and keep the rest.

    Where the server counts versions of metadata, what another wrote in between isn't lost unseen.
    """
    data = read_data(session, metadata_path(name)) or {}
    merged = {**(data.get("custom_metadata") or {}), **ours}
    merged = {key: value for key, value in merged.items() if value is not None}
    body: dict[str, Any] = {"custom_metadata": merged}
    if "current_metadata_version" in data:
        body["metadata_cas"] = data["current_metadata_version"]
    session.post(metadata_path(name), body, retry=False)


def _same_period(declared: str | None, found: str | None) -> str | None:
    """*found*, as it is declared where it is the same time in other units: 2160h for 90d."""
    if found == declared:
        return found
    try:
        same = durations.normalise(found or "") == durations.normalise(declared or "")
    except ValueError:
        return found
    return declared if found and same else found
