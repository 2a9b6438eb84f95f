"""Objects of the whole server that name no owner: those that this deployment did not make.

The server has no field for an owner in a rate limit, or in a user or role of an auth method that
all deployments share. The ownership metadata of such an object is in the KV mount of the deployment
that made it, which another one may not read. So one without metadata in this deployment's mount was
made by another one, unless it is on a mount of this deployment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app_integration.errors import AccessDenied
from vault.reconcile.planning.dependencies import PRUNABLE
from vault.reconcile.resources import Fields, ReadSession, Resource, read_data
from vault.reconcile.resources.guards import RateLimit
from vault.reconcile.resources.marks import MARKED_BY, described_owner
from vault.reconcile.resources.ownership import ManagedResource, Owner


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
