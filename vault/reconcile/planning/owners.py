"""Check of the owners: a plan changes nothing that another deployment owns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from app_integration.errors import AccessDenied
from vault.reconcile.planning.dependencies import PRUNABLE
from vault.reconcile.resources import Fields, ReadSession, Resource, read_data
from vault.reconcile.resources.groups import Group
from vault.reconcile.resources.guards import RateLimit
from vault.reconcile.resources.marks import MARKED_BY, described_owner
from vault.reconcile.resources.mounts import Mount
from vault.reconcile.resources.ownership import (
    ManagedResource,
    OwnedByOther,
    Owner,
    other_deployment,
)


# The server has no field for an owner in a rate limit, or in a user or role of an auth method that
# all deployments share. The metadata of such an object is in the KV mount of the deployment that
# made it, which another one may not read. So one without metadata in this deployment's mount was
# made by another one, unless it is on a mount of this deployment.
def find_unmarked(
    reader: ReadSession,
    owner: Owner,
    resource: Resource,
    fields: Fields | None,
    texts: Mapping[str, str],
) -> Iterator[str]:
    """Yield why *resource* must not be written, if another deployment made what it would change.

    *texts* has the description of the default deployment's mount of each type.
    """
    if not isinstance(resource, ManagedResource) or not _is_unmarked(resource):
        return
    limit = resource.resource if isinstance(resource.resource, RateLimit) else None
    if fields is not None and fields.get("managed_by") is None:
        path = fields["path"] if limit else PRUNABLE[resource.kind].rpartition("/")[0]
        maker = _find_maker(reader, path, texts)
        if maker != owner.deployment:
            yield f"exists, and was not made by this deployment{_on_mount(path, maker)}"
    elif limit and (fields is None or fields["path"] != limit.path):
        for name in _find_limits(reader, limit):
            maker = _find_maker(reader, limit.path, texts)
            yield f"has the path of the rate limit {name}{_on_mount(limit.path, maker)}"


def _is_unmarked(resource: ManagedResource) -> bool:
    """Return whether the kind belongs to the whole server, and its objects name no owner."""
    is_of_server = "{" not in PRUNABLE.get(resource.kind, "{")
    return is_of_server and MARKED_BY not in resource.desired()


def _on_mount(path: str, maker: str | None) -> str:
    place = path or "the whole server"
    return f" ({place})" if maker is None else f" ({place}, of the deployment {maker!r})"


def _find_maker(reader: ReadSession, path: str, texts: Mapping[str, str]) -> str | None:
    """Return the deployment that made the mount of *path*, None if none of ours did."""
    for api, prefix in (("auth", "auth/"), ("mounts", "")):
        for mount, about in (read_data(reader, f"sys/{api}") or {}).items():
            if f"{path}/".startswith(f"{prefix}{mount}"):
                text = texts.get(about["type"], "")
                return described_owner(about.get("description") or "", text)
    return None


def _find_limits(reader: ReadSession, limit: RateLimit) -> Iterator[str]:
    """Yield the other rate limit of the same path, because the server allows one."""
    try:
        names = reader.list(PRUNABLE[RateLimit.kind])
    except AccessDenied:  # a plan role of an earlier version
        return
    for name in names:
        data = read_data(reader, f"{PRUNABLE[RateLimit.kind]}/{name}") or {}
        if name != limit.name and data.get("path", "").rstrip("/") == limit.path:
            yield name


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
