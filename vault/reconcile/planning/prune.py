"""What is ours and declared no more: found by our own notes, and taken away on request."""

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
from vault.declare.faults import listed
from vault.reconcile.leases import revoke_all
from vault.reconcile.planning.dependencies import PRUNABLE
from vault.reconcile.planning.plan import Action, Change, Plan
from vault.reconcile.resources import Fields, Reader, Resource, read_data
from vault.reconcile.resources.database import DatabaseRole
from vault.reconcile.resources.ownership import FOLDER, path
from vault.reconcile.resources.policies import Policy
from vault.reconcile.resources.secrets import MANAGED_BY, SecretMetadata, metadata_path
from vault.reconcile.resources.transit import TransitKey

#: The server's own policies, and what this project can't do without: never deleted, whatever a
#: note says.
BUILT_IN: Final = frozenset(
    (Policy.kind, name) for name in ("root", "default", "control-group", "response-wrapping")
)
_OURS: Final = "strongroom-"
#: Kinds that hold what can't be made again → their mount, which begins the name that destroys it.
_MOUNTS: Final = {TransitKey.kind: TRANSIT_MOUNT, SecretMetadata.kind: KV_MOUNT}


@dataclass(frozen=True, slots=True)
class Orphan:
    """A thing of ours that nothing declares.

    Attributes:
        record: path of the note that it is ours; None for a secret, which carries it itself.

    """

    kind: str
    name: str
    record: str | None

    @property
    def data(self) -> str | None:
        """The name that destroys it, for a kind that holds what can't be made again."""
        mount = _MOUNTS.get(self.kind)
        return f"{mount}/{self.name}" if mount else None

    def desired(self) -> Fields:
        """Nothing."""
        return {}

    def read(self, reader: Reader) -> Fields | None:  # noqa: ARG002 (protocol)
        """Its fields are nobody's concern any more."""
        return {}

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Delete it, and then the note, so that a killed run finds it again."""
        if self.kind == SecretMetadata.kind:
            session.delete(metadata_path(self.name))
            return
        if self.kind == DatabaseRole.kind:
            # Waits until the users are gone: afterwards nobody could drop them.
            revoke_all(session, f"{DATABASE_MOUNT}/creds/{self.name}/")
        address = f"{PRUNABLE[self.kind]}/{self.name}"
        if self.kind == TransitKey.kind and read_data(session, address) is not None:
            session.post(f"{address}/config", {"deletion_allowed": True})
            session.delete(address)
        elif self.kind != TransitKey.kind:
            _delete(session, address)
        if self.record is not None:
            session.delete(metadata_path(self.record))


def _delete(session: Session, address: str) -> None:
    """Delete what is at *address*; a 404 says that its whole auth method or engine has gone."""
    try:
        session.delete(address)
    except RequestRefused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise


def orphans(
    reader: Reader, resources: Sequence[Resource], environment: Environment
) -> list[Orphan]:
    """What is noted as ours in *environment* and isn't among *resources*."""
    declared = {(resource.kind, resource.name) for resource in resources}
    found = [*_noted(reader, environment), *_secrets(reader, environment)]
    return [
        orphan
        for orphan in found
        if (orphan.kind, orphan.name) not in declared | BUILT_IN
        and not orphan.name.startswith(_OURS)
    ]


def gone(reader: Reader, resources: Sequence[Resource], destroy: Iterable[str]) -> list[str]:
    """Those of *destroy* that the server has no data under, and that nothing declares.

    A run that was killed may have destroyed them: the same command again is no mistake.
    """
    declared = {f"{_MOUNTS[each.kind]}/{each.name}" for each in resources if each.kind in _MOUNTS}
    return [name for name in sorted(destroy) if name not in declared and _is_gone(reader, name)]


def _is_gone(reader: Reader, full_name: str) -> bool:
    mount, _, name = full_name.partition("/")
    try:
        check_secret_name(name)
    except InvalidName:
        return False
    if mount == TRANSIT_MOUNT:
        return read_data(reader, f"{PRUNABLE[TransitKey.kind]}/{name}") is None
    return mount == KV_MOUNT and read_data(reader, metadata_path(name)) is None


def with_removals(
    plan: Plan, found: Sequence[Orphan], destroy: Collection[str], absent: Sequence[str] = ()
) -> Plan:
    """*plan* with the deletion of *found*; those that hold data only if *destroy* names them.

    Args:
        plan: what is to be made or changed.
        found: what is ours and declared no more.
        destroy: full names of keys and secrets that may go too.
        absent: those of them that are gone already.

    Raises:
        ConfigurationError: *destroy* names what isn't there to be destroyed.

    """
    known = {orphan.data for orphan in found if orphan.data}
    if unknown := sorted(set(destroy) - known - set(absent)):
        raise ConfigurationError(
            f"--destroy-data {unknown[0]}: no such data of ours is undeclared "
            f"(expected {listed(known, nothing='none: nothing is left to destroy')})"
        )
    going = [orphan for orphan in found if orphan.data is None or orphan.data in destroy]
    kept = sorted(known - set(destroy))
    removals = tuple(Change(Action.DELETE, orphan, {}, ()) for orphan in going)
    already = tuple(name for name in absent if name not in known)
    return replace(plan, changes=plan.changes + removals, kept=tuple(kept), absent=already)


def _noted(reader: Reader, environment: Environment) -> Iterator[Orphan]:
    for folder in reader.list(metadata_path(f"{FOLDER}/{environment}")):
        kind = folder.rstrip("/")
        if kind in PRUNABLE:
            for name in reader.list(metadata_path(f"{FOLDER}/{environment}/{kind}")):
                yield Orphan(kind, name, path(environment, kind, name))


def _secrets(reader: Reader, environment: Environment) -> Iterator[Orphan]:
    """The secrets whose own metadata says that they are ours, and of this environment."""
    for service in reader.list(metadata_path("")):
        if service.rstrip("/") != FOLDER:
            yield from _below(reader, f"{service}{environment}/", environment)


def _below(reader: Reader, folder: str, environment: Environment) -> Iterator[Orphan]:
    for key in reader.list(metadata_path(folder)):
        name = f"{folder}{key}"
        if key.endswith("/"):
            yield from _below(reader, name, environment)
            continue
        custom = (read_data(reader, metadata_path(name)) or {}).get("custom_metadata") or {}
        if (MANAGED_BY | {"environment": environment}).items() <= custom.items():
            yield Orphan(SecretMetadata.kind, name, None)
