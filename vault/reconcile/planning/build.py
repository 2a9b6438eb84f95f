"""Building of a plan: read the server, compare it with the declaration, find what is lost."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from app_integration.names import Environment
from vault.reconcile.planning.former_roles import FormerRole, find_former_roles
from vault.reconcile.planning.owners import check_owners
from vault.reconcile.planning.plan import Plan, make_plan, read_state
from vault.reconcile.planning.prune import Orphan, add_deletions, find_deleted, find_orphans
from vault.reconcile.planning.snapshot import Snapshot
from vault.reconcile.resources import Fields, ReadSession, Resource
from vault.reconcile.resources.ownership import ManagedResource, Owner, owner_of
from vault.reconcile.resources.transit import TransitKey


def find_lost_keys(
    reader: ReadSession, resources: Sequence[Resource], actual: Sequence[Fields | None]
) -> tuple[str, ...]:
    """Return the names of Transit keys that have ownership metadata, but do not exist.

    An apply that was killed between the two leaves the same.
    """
    return tuple(
        each.name
        for each, fields in zip(resources, actual, strict=True)
        if fields is None and each.kind == TransitKey.kind and isinstance(each, ManagedResource)
        if all(each.read_notes(reader).values())
    )


@dataclass(frozen=True, slots=True)
class Prune:
    """A request to delete what is managed but no longer declared.

    *destroy* has the full names of keys and secrets to delete too, although they hold data.
    """

    environment: Environment
    destroy: Collection[str] = field(default=())


def build_plan(
    reader: ReadSession, resources: Sequence[Resource], prune: Prune | None = None
) -> Plan:
    """Return the plan that makes the server equal to *resources*.

    Its digest covers every response that was read for it.
    """
    snapshot = Snapshot(reader)
    owner = owner_of(resources)
    actual = read_state(snapshot, resources)
    check_owners(snapshot, owner, resources, actual)
    plan = replace(
        make_plan(resources, actual), lost_keys=find_lost_keys(snapshot, resources, actual)
    )
    if prune is not None:
        owner = owner or Owner(prune.environment)
        found: list[Orphan | FormerRole] = [
            *find_orphans(snapshot, resources, owner),
            *find_former_roles(snapshot, resources, owner, reader),
        ]
        absent = find_deleted(snapshot, resources, prune.destroy, owner.mounts)
        plan = add_deletions(plan, found, prune.destroy, absent)
    return replace(plan, hashed=snapshot.digest)
