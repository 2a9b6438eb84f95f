"""Ownership metadata: which objects on the server this project manages.

Most objects have no field for it. So the metadata of an object is the custom metadata of a KV entry
without a value, at ``secret/metadata/_strongroom/<environment>/<kind>/<name>``. If the entry
exists, the object is managed; each kind decides which keys it stores there. No service can use that
path, because the name of a service has no underscore.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app_integration.names import Environment
from app_integration.session.session import Session
from vault.reconcile.resources import Fields, ReadSession, Resource, read_data
from vault.reconcile.resources.secrets import MANAGED_BY, merge_metadata, metadata_path

FOLDER: Final = "_strongroom"


def ownership_path(environment: Environment, kind: str, name: str) -> str:
    """Return the path below the KV mount of an object's ownership metadata."""
    return f"{FOLDER}/{environment}/{kind}/{name}"


def read_ownership(reader: ReadSession, path: str) -> dict[str, str]:
    """Return the ownership metadata at *path*, empty if there is none.

    Args:
        reader: Reads the server.
        path: See :func:`ownership_path`.

    """
    data = read_data(reader, metadata_path(path)) or {}
    return dict(data.get("custom_metadata") or {})


def write_ownership(session: Session, path: str, changes: Mapping[str, str | None]) -> None:
    """Merge *changes* into the ownership metadata; None removes a key.

    Args:
        session: Must be allowed to write.
        path: See :func:`ownership_path`.
        changes: Keys to set or to remove. ``managed_by`` is always set.

    """
    merge_metadata(session, path, {**MANAGED_BY, **changes})


@dataclass(frozen=True, slots=True)
class ManagedResource:
    """A resource together with its ownership metadata, which allows ``--prune`` to delete it later.

    It writes the metadata first, so that an object created by a killed run is always known to be
    managed.
    """

    resource: Resource
    environment: Environment

    @property
    def kind(self) -> str:
        """Return the kind of the wrapped resource."""
        return self.resource.kind

    @property
    def name(self) -> str:
        """Return the name of the wrapped resource."""
        return self.resource.name

    def desired(self) -> Fields:
        """Return the resource's fields, and ``managed_by``."""
        return {**self.resource.desired(), **MANAGED_BY}

    def read(self, reader: ReadSession) -> Fields | None:
        """Return the resource's fields and ``managed_by``, None if the object does not exist.

        ``managed_by`` comes from the list of its kind, so one request serves all objects of a kind.
        """
        found = self.resource.read(reader)
        if found is None:
            return None
        folder = ownership_path(self.environment, self.kind, "").rstrip("/")
        is_managed = self.name in reader.list(metadata_path(folder))
        return {**found, **(MANAGED_BY if is_managed else dict.fromkeys(MANAGED_BY))}

    def write(self, session: Session, before: Fields | None) -> None:
        """Write the ownership metadata if it is missing, then the resource if it differs."""
        fields = before and {key: value for key, value in before.items() if key not in MANAGED_BY}
        if before is None or any(before[key] is None for key in MANAGED_BY):
            write_ownership(session, ownership_path(self.environment, self.kind, self.name), {})
        desired = self.resource.desired()
        if fields is None or any(fields[key] != value for key, value in desired.items()):
            self.resource.write(session, fields)


def strip_ownership(resource: Resource) -> Resource:
    """Return *resource* without ownership metadata, for a server that has no KV mount yet."""
    return resource.resource if isinstance(resource, ManagedResource) else resource
