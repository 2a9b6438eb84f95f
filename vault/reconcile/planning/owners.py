"""Check of the owners: a plan changes nothing that another deployment owns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from app_integration.errors import AccessDenied
from vault.reconcile.planning.unmarked_objects import find_unmarked
from vault.reconcile.resources import Fields, ReadSession, Resource
from vault.reconcile.resources.groups import Group
from vault.reconcile.resources.marks import MARKED_BY
from vault.reconcile.resources.mounts import Mount
from vault.reconcile.resources.ownership import (
    ManagedResource,
    OwnedByOther,
    Owner,
    other_deployment,
)

#: Kinds that configure a whole mount → the prefix of the mount's name.
_OF_MOUNT: Final[Mapping[str, str]] = {
    "mount": "",
    "kv-config": "",
    "jwt-config": "auth/",
    "kubernetes-config": "auth/",
    "oidc-config": "auth/",
    "user-lockout": "auth/",
}
_BELONGS: Final = "belongs to the deployment {!r}"
_MAX_LISTED: Final = 20


def check_owners(
    reader: ReadSession,
    owner: Owner | None,
    resources: Sequence[Resource],
    actual: Sequence[Fields | None],
) -> None:
    """Check that no other deployment owns an object that the declaration names.

    A mount that another deployment made may be used as it is. It is contested if it, or what
    configures all of it, differs from the declaration.
    """
    if owner is None:
        return
    texts = {each.type: each.description for each in resources if isinstance(each, Mount)}
    mounts = {
        each.name: fields.get(MARKED_BY) if fields else None
        for each, fields in zip(resources, actual, strict=True)
        if isinstance(each, Mount)
    }
    found = [
        f"{resource.kind} {resource.name} {reason}"
        for resource, fields in zip(resources, actual, strict=True)
        for reason in (
            *_other_owners(reader, owner, resource, fields, mounts),
            *find_unmarked(reader, owner, resource, fields, texts),
            *_alias_holders(reader, owner, resource, fields),
        )
    ]
    if found:
        raise OwnedByOther(describe_owned(owner.deployment, found))


def describe_owned(deployment: str, found: Sequence[str]) -> str:
    """Return the message about objects that others own."""
    more = [f"and {len(found) - _MAX_LISTED} more"] if len(found) > _MAX_LISTED else []
    lines = [f"  {line}" for line in (*found[:_MAX_LISTED], *more)]
    first = f"this deployment, {deployment!r}, may not change what others own:"
    last = "declare other names, or agree with the owner; nothing was written"
    return "\n".join([first, *lines, last])


def _other_owners(
    reader: ReadSession,
    owner: Owner,
    resource: Resource,
    fields: Fields | None,
    mounts: Mapping[str, str | None],
) -> Iterator[str]:
    """Yield that *resource* belongs to another deployment, if its mark or metadata says so."""
    if resource.kind in _OF_MOUNT:
        marked = mounts.get(f"{_OF_MOUNT[resource.kind]}{resource.name}")
        differs = fields is None or _differs(resource, fields)
        if marked not in (None, owner.deployment) and differs:
            yield _BELONGS.format(marked)
        return
    marked = (fields or {}).get(MARKED_BY)
    notes = fields
    if fields is None and isinstance(resource, ManagedResource):
        notes = resource.read_notes(reader)  # of an object that is deleted, or not created yet
    other = marked if marked not in (None, owner.deployment) else None
    other = other or other_deployment(notes or {}, owner.deployment)
    if other is not None:
        yield _BELONGS.format(other)


def _alias_holders(
    reader: ReadSession, owner: Owner, resource: Resource, fields: Fields | None
) -> Iterator[str]:
    """Yield that a group which is not this deployment's has the alias of *resource*, a group."""
    group = resource.resource if isinstance(resource, ManagedResource) else resource
    if not isinstance(group, Group) or not _differs(group, fields or {}):
        return
    try:
        holder = group.find_alias_holder(reader)
    except AccessDenied:  # a plan role of an earlier version
        return
    if holder is None or holder["name"] == group.name:
        return
    if holder[MARKED_BY] != owner.deployment:
        maker = holder[MARKED_BY]
        whose = "which no deployment made" if maker is None else f"of the deployment {maker!r}"
        yield f"has the claim {group.claim!r} of the group {holder['name']}, {whose}"


def _differs(resource: Resource, fields: Fields) -> bool:
    return any(fields.get(key) != value for key, value in resource.desired().items())
