"""Our own notes about things on the server that have no place for one.

A note is the custom metadata of a KV entry without a value, at
``secret/metadata/_strongroom/<environment>/<kind>/<name>``. That it is there says that the thing is
ours; what is in it is for the kind to say. No service can have that path: a service's name holds no
underscore.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app_integration.names import Environment
from app_integration.session.session import Session
from vault.reconcile.resources import Fields, Reader, Resource, read_data
from vault.reconcile.resources.secrets import MANAGED_BY, merge_metadata, metadata_path

FOLDER: Final = "_strongroom"


def path(environment: Environment, kind: str, name: str) -> str:
    """Where the note about *name* is, below the KV mount."""
    return f"{FOLDER}/{environment}/{kind}/{name}"


def note(reader: Reader, record: str) -> dict[str, str]:
    """What is noted at *record*; empty when nothing is."""
    data = read_data(reader, metadata_path(record)) or {}
    return dict(data.get("custom_metadata") or {})


def write_note(session: Session, record: str, notes: Mapping[str, str | None]) -> None:
    """Add *notes* to what is noted at *record*; None takes one away."""
    merge_metadata(session, record, {**MANAGED_BY, **notes})


@dataclass(frozen=True, slots=True)
class Recorded:
    """A resource with the note that it is ours: what ``--prune`` may take away later.

    The note is written first: what a killed run has made is always known to be ours.
    """

    resource: Resource
    environment: Environment

    @property
    def kind(self) -> str:
        """The resource's own."""
        return self.resource.kind

    @property
    def name(self) -> str:
        """The resource's own."""
        return self.resource.name

    def desired(self) -> Fields:
        """The resource's fields, and whose it is."""
        return {**self.resource.desired(), **MANAGED_BY}

    def read(self, reader: Reader) -> Fields | None:
        """The resource's fields; the note is looked up in the list of its kind."""
        found = self.resource.read(reader)
        if found is None:
            return None
        folder = path(self.environment, self.kind, "").rstrip("/")
        ours = self.name in reader.list(metadata_path(folder))
        return {**found, **(MANAGED_BY if ours else dict.fromkeys(MANAGED_BY))}

    def write(self, session: Session, before: Fields | None) -> None:
        """Write the note if it is missing, then what else differs."""
        inner = before and {key: value for key, value in before.items() if key not in MANAGED_BY}
        if before is None or any(before[key] is None for key in MANAGED_BY):
            write_note(session, path(self.environment, self.kind, self.name), {})
        desired = self.resource.desired()
        if inner is None or any(inner[key] != value for key, value in desired.items()):
            self.resource.write(session, inner)


def bare(resource: Resource) -> Resource:
    """*resource* without its note, for a server that has no place to keep one yet."""
    return resource.resource if isinstance(resource, Recorded) else resource
