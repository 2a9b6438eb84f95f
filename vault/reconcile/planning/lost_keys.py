"""Transit keys that a deployment has made, and that the server lacks."""

from __future__ import annotations

from collections.abc import Sequence

from vault.reconcile.resources import Fields, ReadSession, Resource
from vault.reconcile.resources.ownership import ManagedResource
from vault.reconcile.resources.transit import TransitKey


def find_lost_keys(
    reader: ReadSession, resources: Sequence[Resource], actual: Sequence[Fields | None]
) -> tuple[str, ...]:
    """Return the names of Transit keys that have ownership metadata, but do not exist.

    An apply that was killed between the two leaves the same.

    Args:
        reader: Must be allowed to read the ownership metadata.
        resources: The declared resources.
        actual: Their fields on the server, None for one it lacks.

    """
    return tuple(
        each.name
        for each, fields in zip(resources, actual, strict=True)
        if fields is None and each.kind == TransitKey.kind and isinstance(each, ManagedResource)
        if all(each.read_notes(reader).values())
    )
