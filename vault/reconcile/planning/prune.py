"""Pruning: find objects that are managed but no longer declared, and delete them on request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from app_integration.errors import ConfigurationError, InvalidName, RequestRefused
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import check_secret_name
from app_integration.session.session import Session
from vault.declare.errors import join_names
from vault.declare.server_names import DEVELOPER, own_names, server_name
from vault.reconcile.leases import revoke_all
from vault.reconcile.planning.dependencies import PRUNABLE, list_path
from vault.reconcile.planning.former_roles import FormerRole, Undeclared
from vault.reconcile.planning.plan import Action, Change, Plan
from vault.reconcile.resources import Fields, ReadSession, Resource, read_data
from vault.reconcile.resources.database import DatabaseRole
from vault.reconcile.resources.groups import Group
from vault.reconcile.resources.guards import PasswordPolicy
from vault.reconcile.resources.kv import metadata_path
from vault.reconcile.resources.marks import check_format, metadata_owner, read_mark
from vault.reconcile.resources.ownership import FOLDER, Owner, other_deployment, rotation_paths
from vault.reconcile.resources.policies import Policy
from vault.reconcile.resources.secrets import MANAGED_BY, SecretMetadata
from vault.reconcile.resources.transit import TransitKey

#: The server's own policies, which are never deleted, whatever the ownership metadata says.
BUILT_IN: Final = frozenset(
    (Policy.kind, name) for name in ("root", "default", "control-group", "response-wrapping")
)
#: Kinds whose objects name their owner → how it is read, given a response's data and a name.
_MARKS: Final[Mapping[str, Callable[[Mapping[str, Any], str], str | None]]] = {
    Policy.kind: lambda data, what: read_mark(data["policy"], what),
    PasswordPolicy.kind: lambda data, what: read_mark(data["policy"], what),
    Group.kind: lambda data, what: metadata_owner(data.get("metadata"), what),
}
#: Kinds whose data cannot be created again.
_DATA: Final = (TransitKey.kind, SecretMetadata.kind)


@dataclass(frozen=True, slots=True)
class Orphan(Undeclared):
    """A managed object that is no longer declared.

    *ownership_path* is None for a secret, whose own metadata says that it is managed.
    """

    kind: str
    name: str
    ownership_path: str | None
    mounts: Mounts = DEFAULT_MOUNTS

    @property
    def data(self) -> str | None:
        """Return the full name that destroys it, None for a kind that holds no data.

        Such data (keys and secrets) cannot be created again.
        """
        return _full_name(self.kind, self.name, self.mounts) if self.kind in _DATA else None

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Delete the object, then its ownership metadata.

        In this order, a run that is killed in between finds the object again.
        """
        if self.kind == SecretMetadata.kind:
            # The record of a rotation first, because its old and new versions mean nothing to a
            # later secret of that name, and its pending value is a secret as well.
            for path in rotation_paths(self.name):
                session.delete(metadata_path(path, self.mounts.kv))
            session.delete(metadata_path(self.name, self.mounts.kv))
            return
        if self.kind == DatabaseRole.kind:
            # Wait until the users are dropped, because without the role the server cannot do it.
            revoke_all(session, f"{self.mounts.database}/creds/{self.name}/")
        address = f"{list_path(self.kind, self.mounts)}/{self.name}"
        if self.kind == TransitKey.kind and read_data(session, address) is not None:
            session.post(f"{address}/config", {"deletion_allowed": True})
            session.delete(address)
        elif self.kind != TransitKey.kind:
            _delete(session, address)
        if self.ownership_path is not None:
            session.delete(metadata_path(self.ownership_path, self.mounts.kv))


def _delete(session: Session, address: str) -> None:
    """Delete the object at *address*. A 404 means that its auth method or engine is unmounted."""
    try:
        session.delete(address)
    except RequestRefused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise


def _full_name(kind: str, name: str, mounts: Mounts) -> str:
    """Return the name that destroys data: the mount and the name below it."""
    return f"{mounts.transit if kind == TransitKey.kind else mounts.kv}/{name}"


def find_orphans(reader: ReadSession, resources: Sequence[Resource], owner: Owner) -> list[Orphan]:
    """Return the objects that *owner* manages but that are not among *resources*."""
    declared = {(resource.kind, resource.name) for resource in resources}
    # Jobs and keys are never deleted; the policy of people is declared only where there are people.
    kept_names = {*own_names(owner.deployment)} - {server_name(owner.deployment, DEVELOPER)}
    return [
        orphan
        for orphan in (
            *_from_ownership_metadata(reader, owner),
            *_from_secret_metadata(reader, owner),
        )
        if (orphan.kind, orphan.name) not in declared | BUILT_IN
        and orphan.name not in kept_names
        and _belongs_to(reader, orphan, owner)
    ]


def find_deleted(
    reader: ReadSession, resources: Sequence[Resource], destroy: Iterable[str], mounts: Mounts
) -> list[str]:
    """Return those of *destroy* that no longer exist on the server, and that are not declared.

    A run that was killed may have destroyed them, so the same command must succeed again.
    """
    declared = {
        _full_name(each.kind, each.name, mounts) for each in resources if each.kind in _DATA
    }
    return [
        name
        for name in sorted(destroy)
        if name not in declared and _is_deleted(reader, name, mounts)
    ]


def _is_deleted(reader: ReadSession, full_name: str, mounts: Mounts) -> bool:
    for mount, path in (
        (mounts.transit, list_path(TransitKey.kind, mounts)),
        (mounts.kv, metadata_path("", mounts.kv).rstrip("/")),
    ):
        name = full_name.removeprefix(f"{mount}/")
        if name != full_name and _is_secret_name(name):
            return read_data(reader, f"{path}/{name}") is None
    return False


def _is_secret_name(name: str) -> bool:
    try:
        check_secret_name(name)
    except InvalidName:
        return False
    return True


def add_deletions(
    plan: Plan,
    found: Sequence[Orphan | FormerRole],
    destroy: Collection[str],
    absent: Sequence[str] = (),
) -> Plan:
    """Return *plan* with the deletion of *found*; that of data only if *destroy* names it."""
    known = {orphan.data for orphan in found if orphan.data}
    if unknown := sorted(set(destroy) - known - set(absent)):
        raise ConfigurationError(
            f"--destroy-data {unknown[0]}: no managed data of that name is undeclared "
            f"(expected {join_names(known, nothing='none: nothing is left to destroy')})"
        )
    to_delete = [orphan for orphan in found if orphan.data is None or orphan.data in destroy]
    kept = sorted(known - set(destroy))
    removals = tuple(Change(Action.DELETE, orphan, {}, ()) for orphan in to_delete)
    already = tuple(name for name in absent if name not in known)
    return replace(plan, changes=plan.changes + removals, kept=tuple(kept), absent=already)


def _from_ownership_metadata(reader: ReadSession, owner: Owner) -> Iterator[Orphan]:
    root = f"{FOLDER}/{owner.environment}"
    for folder in reader.list(metadata_path(root, owner.mounts.kv)):
        kind = folder.rstrip("/")
        if kind in PRUNABLE:
            for name in owner.list_names(reader, kind):
                yield Orphan(kind, name, owner.entry(kind, name).path, owner.mounts)


def _from_secret_metadata(reader: ReadSession, owner: Owner) -> Iterator[Orphan]:
    """Yield the secrets in the owner's environment, also those that others manage."""
    for service in reader.list(metadata_path("", owner.mounts.kv)):
        if service.rstrip("/") != FOLDER:
            yield from _secrets_below(reader, f"{service}{owner.environment}/", owner)


def _secrets_below(reader: ReadSession, folder: str, owner: Owner) -> Iterator[Orphan]:
    for key in reader.list(metadata_path(folder, owner.mounts.kv)):
        name = f"{folder}{key}"
        if key.endswith("/"):
            yield from _secrets_below(reader, name, owner)
        else:
            yield Orphan(SecretMetadata.kind, name, None, owner.mounts)


def _belongs_to(reader: ReadSession, orphan: Orphan, owner: Owner) -> bool:
    """Return whether the metadata says that *owner* manages the orphan."""
    if orphan.ownership_path is not None:
        noted = owner.entry(orphan.kind, orphan.name).read(reader)
        if other_deployment({**noted, **MANAGED_BY}, owner.deployment) is not None:
            return False
        return _read_mark(reader, orphan) in (None, owner.deployment)
    path = metadata_path(orphan.name, owner.mounts.kv)
    custom = (read_data(reader, path) or {}).get("custom_metadata") or {}
    check_format(custom, f"secret {orphan.name}")
    is_managed = (MANAGED_BY | {"environment": owner.environment}).items() <= custom.items()
    return is_managed and other_deployment(custom, owner.deployment) is None


def _read_mark(reader: ReadSession, orphan: Orphan) -> str | None:
    """Return the owner that the object itself names, None if it names none."""
    read = _MARKS.get(orphan.kind)
    path = f"{list_path(orphan.kind, orphan.mounts)}/{orphan.name}"
    data = read_data(reader, path) if read else None
    return read(data, f"{orphan.kind} {orphan.name}") if read and data else None
