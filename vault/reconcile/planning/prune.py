"""Pruning: find objects that are managed but no longer declared, and delete them on request."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from app_integration.errors import ConfigurationError, InvalidName, RequestRefused
from app_integration.names import (
    DATABASE_MOUNT,
    KV_MOUNT,
    TRANSIT_MOUNT,
    Environment,
    check_secret_name,
)
from app_integration.session.session import Session
from vault.declare.errors import join_names
from vault.reconcile.leases import revoke_all
from vault.reconcile.planning.dependencies import PRUNABLE
from vault.reconcile.planning.plan import Action, Change, Plan
from vault.reconcile.resources import Fields, ReadSession, Resource, read_data
from vault.reconcile.resources.database import DatabaseRole
from vault.reconcile.resources.ownership import FOLDER, ownership_path
from vault.reconcile.resources.policies import Policy
from vault.reconcile.resources.secrets import MANAGED_BY, SecretMetadata, metadata_path
from vault.reconcile.resources.transit import TransitKey

#: The server's own policies, which are never deleted, whatever the ownership metadata says.
BUILT_IN: Final = frozenset(
    (Policy.kind, name) for name in ("root", "default", "control-group", "response-wrapping")
)
#: Names with this prefix are this project's own jobs and keys, which are never deleted either.
_RESERVED_PREFIX: Final = "strongroom-"
#: Kinds whose data cannot be created again → their mount, the first part of the full name.
_MOUNTS: Final = {TransitKey.kind: TRANSIT_MOUNT, SecretMetadata.kind: KV_MOUNT}


@dataclass(frozen=True, slots=True)
class Orphan:
    """A managed object that is no longer declared.

    Attributes:
        ownership_path: Path of its ownership metadata; None for a secret, whose own metadata says
            that it is managed.

    """

    kind: str
    name: str
    ownership_path: str | None

    @property
    def data(self) -> str | None:
        """Return the full name that destroys it, None for a kind that holds no data.

        Such data (keys and secrets) cannot be created again.
        """
        mount = _MOUNTS.get(self.kind)
        return f"{mount}/{self.name}" if mount else None

    def desired(self) -> Fields:
        """Return no fields, because nothing is declared."""
        return {}

    def read(self, reader: ReadSession) -> Fields | None:  # noqa: ARG002 (protocol)
        """Return no fields, because its fields are no longer compared."""
        return {}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Delete the object, then its ownership metadata.

        In this order, a run that is killed in between finds the object again.

        Raises:
            ServerFault: If the leases of a database role do not end. The role was not deleted.

        """
        if self.kind == SecretMetadata.kind:
            session.delete(metadata_path(self.name))
            return
        if self.kind == DatabaseRole.kind:
            # Wait until the users are dropped, because without the role the server cannot do it.
            revoke_all(session, f"{DATABASE_MOUNT}/creds/{self.name}/")
        address = f"{PRUNABLE[self.kind]}/{self.name}"
        if self.kind == TransitKey.kind and read_data(session, address) is not None:
            session.post(f"{address}/config", {"deletion_allowed": True})
            session.delete(address)
        elif self.kind != TransitKey.kind:
            _delete(session, address)
        if self.ownership_path is not None:
            session.delete(metadata_path(self.ownership_path))


def _delete(session: Session, address: str) -> None:
    """Delete the object at *address*. A 404 means that its auth method or engine is unmounted."""
    try:
        session.delete(address)
    except RequestRefused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise


def find_orphans(
    reader: ReadSession, resources: Sequence[Resource], environment: Environment
) -> list[Orphan]:
    """Return the objects that are managed in *environment* but not among *resources*."""
    declared = {(resource.kind, resource.name) for resource in resources}
    found = [
        *_from_ownership_metadata(reader, environment),
        *_from_secret_metadata(reader, environment),
    ]
    return [
        orphan
        for orphan in found
        if (orphan.kind, orphan.name) not in declared | BUILT_IN
        and not orphan.name.startswith(_RESERVED_PREFIX)
    ]


def find_deleted(
    reader: ReadSession, resources: Sequence[Resource], destroy: Iterable[str]
) -> list[str]:
    """Return those of *destroy* that no longer exist on the server, and that are not declared.

    A run that was killed may have destroyed them, so the same command must succeed again.
    """
    declared = {f"{_MOUNTS[each.kind]}/{each.name}" for each in resources if each.kind in _MOUNTS}
    return [name for name in sorted(destroy) if name not in declared and _is_deleted(reader, name)]


def _is_deleted(reader: ReadSession, full_name: str) -> bool:
    mount, _, name = full_name.partition("/")
    try:
        check_secret_name(name)
    except InvalidName:
        return False
    if mount == TRANSIT_MOUNT:
        return read_data(reader, f"{PRUNABLE[TransitKey.kind]}/{name}") is None
    return mount == KV_MOUNT and read_data(reader, metadata_path(name)) is None


def add_deletions(
    plan: Plan, found: Sequence[Orphan], destroy: Collection[str], absent: Sequence[str] = ()
) -> Plan:
    """Return *plan* with the deletion of *found*.

    Args:
        plan: The plan without deletions.
        found: The orphans. Those that hold data are deleted only if *destroy* names them.
        destroy: Full names of keys and secrets to delete too.
        absent: Those of *destroy* that are already deleted.

    Raises:
        ConfigurationError: If *destroy* names data that is not there to be destroyed.

    """
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


def _from_ownership_metadata(reader: ReadSession, environment: Environment) -> Iterator[Orphan]:
    for folder in reader.list(metadata_path(f"{FOLDER}/{environment}")):
        kind = folder.rstrip("/")
        if kind in PRUNABLE:
            for name in reader.list(metadata_path(f"{FOLDER}/{environment}/{kind}")):
                yield Orphan(kind, name, ownership_path(environment, kind, name))


def _from_secret_metadata(reader: ReadSession, environment: Environment) -> Iterator[Orphan]:
    """Yield the secrets whose own metadata says that they are managed, in *environment*."""
    for service in reader.list(metadata_path("")):
        if service.rstrip("/") != FOLDER:
            yield from _secrets_below(reader, f"{service}{environment}/", environment)


def _secrets_below(reader: ReadSession, folder: str, environment: Environment) -> Iterator[Orphan]:
    for key in reader.list(metadata_path(folder)):
        name = f"{folder}{key}"
        if key.endswith("/"):
            yield from _secrets_below(reader, name, environment)
            continue
        custom = (read_data(reader, metadata_path(name)) or {}).get("custom_metadata") or {}
        if (MANAGED_BY | {"environment": environment}).items() <= custom.items():
            yield Orphan(SecretMetadata.kind, name, None)
