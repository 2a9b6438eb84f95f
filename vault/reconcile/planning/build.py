"""The server against the declaration: one reading, one plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from app_integration.names import Environment
from vault.reconcile.planning.plan import Plan, make_plan, read_state
from vault.reconcile.planning.prune import gone, orphans, with_removals
from vault.reconcile.planning.snapshot import Snapshot
from vault.reconcile.resources import Reader, Resource


@dataclass(frozen=True, slots=True)
class Prune:
    """That what is ours and declared no more is to go.

    Attributes:
        environment: whose.
        destroy: full names of keys and secrets that may go too.

    """

    environment: Environment
    destroy: Collection[str] = field(default=())


def build_plan(reader: Reader, resources: Sequence[Resource], prune: Prune | None = None) -> Plan:
    """What separates the server from *resources*, with the hash of all that was read.

    Raises:
        ConfigurationError: *prune* names data that isn't there to be destroyed.

    """
    snapshot = Snapshot(reader)
    plan = make_plan(resources, read_state(snapshot, resources))
    if prune is not None:
        found = orphans(snapshot, resources, prune.environment)
        absent = gone(snapshot, resources, prune.destroy)
        plan = with_removals(plan, found, prune.destroy, absent)
    return replace(plan, hashed=snapshot.digest)
