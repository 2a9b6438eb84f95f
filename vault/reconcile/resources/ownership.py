"""Ownership metadata: which objects on the server a deployment manages.

Most objects have no field for it, so it is the custom metadata of a KV entry without a value, at
``<kv>/metadata/_strongroom/<environment>/<kind>/<name>``. If the entry exists, the object is
managed, by the deployment that it names. No service can use that path, because the name of a
service has no underscore.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from app_integration.errors import AccessDenied, ConfigurationError
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import APPROLE_MOUNT, Environment
from app_integration.session.session import Session
from vault.declare.schema.model import EnvironmentDeclaration
from vault.declare.server_names import DEFAULT_DEPLOYMENT, FINGERPRINT_KEY, server_name
from vault.reconcile.resources import Checked, Fields, ReadSession, Resource, read_data
from vault.reconcile.resources.kv import merge_metadata, metadata_path
from vault.reconcile.resources.marks import check_format
from vault.reconcile.resources.secrets import MANAGED_BY

FOLDER: Final = "_strongroom"
#: The metadata key with the id of the deployment that manages an object.
DEPLOYMENT: Final = "deployment"

#: The metadata keys of an AppRole with its mount, unless that is the default one, and with the
#: mounts on which it stayed when the declared one changed.
MOUNT: Final = "mount"
FORMER_MOUNTS: Final = "former_mounts"
_APPROLE: Final = "approle"


def ownership_path(environment: Environment, kind: str, name: str) -> str:
    """Return the path below the KV mount of an object's ownership metadata."""
    return f"{FOLDER}/{environment}/{kind}/{name}"


def rotation_kind(kind: str) -> str:
    """Return the kind of the entries with the records of rotations of objects of *kind*."""
    return f"rotation/{kind}"


def rotation_paths(secret: str) -> list[str]:
    """Return the paths below the KV mount of the records of rotations of *secret*, a path, too.

    A secret whose database users are a pair has another one than before.
    """
    environment = Environment(secret.split("/")[1])
    kinds = map(rotation_kind, ("secret", "user-pair"))
    return [ownership_path(environment, kind, secret) for kind in kinds]


@dataclass(frozen=True, slots=True)
class Owner:
    """A deployment in one environment: the owner of what it declares there."""

    environment: Environment
    deployment: str = DEFAULT_DEPLOYMENT
    mounts: Mounts = DEFAULT_MOUNTS

    @classmethod
    def of(cls, declared: EnvironmentDeclaration) -> Owner:
        """Return the owner of what *declared* declares."""
        return cls(declared.environment, declared.deployment, declared.mounts)

    @property
    def marks(self) -> dict[str, str]:
        """Return the metadata keys that say whose an object is."""
        return {**MANAGED_BY, DEPLOYMENT: self.deployment}

    @property
    def fingerprint_path(self) -> str:
        """Return the API path that computes an HMAC under the deployment's own key."""
        return f"{self.mounts.transit}/hmac/{server_name(self.deployment, FINGERPRINT_KEY)}"

    def entry(self, kind: str, name: str) -> OwnershipEntry:
        """Return the ownership metadata of one object."""
        return OwnershipEntry(self, kind, name)

    def list_names(self, reader: ReadSession, kind: str) -> list[str]:
        """Return the names of the objects of *kind* with ownership metadata."""
        folder = ownership_path(self.environment, kind, "").rstrip("/")
        return reader.list(metadata_path(folder, self.mounts.kv))


@dataclass(frozen=True, slots=True)
class OwnershipEntry:
    """Ownership metadata of one object."""

    owner: Owner
    kind: str
    name: str

    @property
    def path(self) -> str:
        """Return the path below the KV mount."""
        return ownership_path(self.owner.environment, self.kind, self.name)

    def read(self, reader: ReadSession) -> dict[str, str]:
        """Return the metadata, empty if there is none."""
        data = read_data(reader, metadata_path(self.path, self.owner.mounts.kv)) or {}
        found = dict(data.get("custom_metadata") or {})
        check_format(found, f"{self.kind} {self.name}")
        return found

    def write(
        self,
        session: Session,
        notes: Mapping[str, str | None],
        check: Callable[[Mapping[str, str]], None] = lambda _found: None,
    ) -> None:
        """Merge *notes* into the metadata; None removes a key. The marks are always set.

        *check* gets the metadata that is replaced, and may raise an error.
        """
        marked = {**self.owner.marks, **notes}
        merge_metadata(session, self.path, marked, self.owner.mounts.kv, check)

    def delete(self, session: Session) -> None:
        """Delete the metadata."""
        session.delete(metadata_path(self.path, self.owner.mounts.kv))


@dataclass(frozen=True, slots=True)
class ManagedResource:
    """A resource together with its ownership metadata, which allows ``--prune`` to delete it later.

    It writes the metadata first, so that an object created by a killed run is always known to be
    managed.
    """

    resource: Resource
    owner: Owner

    @property
    def kind(self) -> str:
        """Return the kind of the wrapped resource."""
        return self.resource.kind

    @property
    def name(self) -> str:
        """Return the name of the wrapped resource."""
        return self.resource.name

    @property
    def marks(self) -> dict[str, str]:
        """Return the marks of the owner, and the mount of an AppRole that is not the default."""
        mount = self.owner.mounts.approle if self.kind == _APPROLE else APPROLE_MOUNT
        return self.owner.marks | ({} if mount == APPROLE_MOUNT else {MOUNT: mount})

    def desired(self) -> Fields:
        """Return the resource's fields, and the marks."""
        return {**self.resource.desired(), **self.marks}

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the resource's fields and the marks, None if the object does not exist.

        A list of the kind says which objects have metadata, so an object without costs no request.
        """
        found = self.resource.read(reader)
        return None if found is None else {**found, **self.read_notes(reader)}

    def read_notes(self, reader: ReadSession) -> dict[str, str | None]:
        """Return the marks in the ownership metadata, None for those that are missing."""
        names = self.owner.list_names(reader, self.kind)
        noted = self._entry.read(reader) if self.name in names else {}
        return {key: noted.get(key) for key in self.marks}

    def check(self, before: Fields | None) -> None:
        """Check the resource if it differs and can be checked. See :meth:`.Checked.check`."""
        if isinstance(self.resource, Checked) and self._is_resource_different(before):
            self.resource.check(self._without_marks(before))

    def write(self, session: Session, before: Fields | None) -> None:
        """Write the ownership metadata if it differs, then the resource if it differs."""
        if before is None or any(before[key] != value for key, value in self.marks.items()):
            self._entry.write(session, self._mount_notes(session))
        if self._is_resource_different(before):
            self.resource.write(session, self._without_marks(before))

    def _is_resource_different(self, before: Fields | None) -> bool:
        desired = self.resource.desired()
        return before is None or any(before[key] != value for key, value in desired.items())

    def _without_marks(self, before: Fields | None) -> Fields | None:
        marks = self.marks
        return before and {key: value for key, value in before.items() if key not in marks}

    def _mount_notes(self, session: Session) -> dict[str, str | None]:
        """Return the notes of an AppRole's mount, and of those that it was on before."""
        noted = self._entry.read(session) if self.kind == _APPROLE else {}
        mount = self.owner.mounts.approle
        former = noted_mounts(session, self.name, noted) - {mount} if noted else set()
        return {MOUNT: self.marks.get(MOUNT), FORMER_MOUNTS: " ".join(sorted(former)) or None}

    @property
    def _entry(self) -> OwnershipEntry:
        return self.owner.entry(self.kind, self.name)


def noted_mounts(reader: ReadSession, role: str, noted: Mapping[str, str]) -> set[str]:
    """Return the mounts that the ownership metadata *noted* of an AppRole names.

    That of the default mount names none, nor does that of an earlier version. So the default one is
    among them if it has the role.
    """
    found = {*noted.get(FORMER_MOUNTS, "").split(), *noted.get(MOUNT, "").split()}
    if MOUNT in noted:
        return found
    try:
        is_default = read_data(reader, f"auth/{APPROLE_MOUNT}/role/{role}") is not None
    except AccessDenied:
        return found
    return found | ({APPROLE_MOUNT} if is_default else set())


class OwnedByOther(ConfigurationError):
    """Objects that another deployment owns; nothing was written."""


def other_deployment(notes: Mapping[str, str | None], deployment: str) -> str | None:
    """Return the id of the deployment that *notes* name, None if it is *deployment* or none.

    Metadata of an earlier version names no deployment. It is the default one's.
    """
    if notes.get("managed_by") != MANAGED_BY["managed_by"]:
        return None
    found = notes.get(DEPLOYMENT) or DEFAULT_DEPLOYMENT
    return None if found == deployment else found


def check_secret_owner(reader: ReadSession, owner: Owner, name: str) -> None:
    """Check that no other deployment owns a secret."""
    data = read_data(reader, metadata_path(name, owner.mounts.kv)) or {}
    notes = data.get("custom_metadata") or {}
    check_format(notes, f"secret {name}")
    check_notes(notes, owner, f"secret {name}")


def check_owner(reader: ReadSession, entry: OwnershipEntry) -> None:
    """Check that no other deployment owns the object of *entry*."""
    check_notes(entry.read(reader), entry.owner, f"{entry.kind} {entry.name}")


def check_notes(notes: Mapping[str, str | None], owner: Owner, what: str) -> None:
    """Check that *notes*, the metadata of *what*, name no other deployment than *owner*."""
    other = other_deployment(notes, owner.deployment)
    if other is not None:
        raise OwnedByOther(
            f"{what} belongs to the deployment {other!r}, not to {owner.deployment!r}; "
            "use another name for the service, or change it there"
        )


def owner_of(resources: Iterable[Resource]) -> Owner | None:
    """Return the owner of *resources*, None if none of them has one."""
    return next((each.owner for each in resources if isinstance(each, ManagedResource)), None)


def strip_ownership(resource: Resource) -> Resource:
    """Return *resource* without ownership metadata, for a server that has no KV mount yet."""
    return resource.resource if isinstance(resource, ManagedResource) else resource
