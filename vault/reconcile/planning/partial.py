"""Part of a plan that a credential may read, when it may not read all that a plan compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app_integration.errors import AccessDenied
from vault.reconcile.planning.owners import check_owners
from vault.reconcile.planning.plan import Plan, make_plan, read_state
from vault.reconcile.planning.snapshot import Snapshot
from vault.reconcile.resources import Fields, ReadSession, Resource
from vault.reconcile.resources.ownership import owner_of

#: Stands for the fields of a resource that must not be read; compared by identity.
_DENIED: Final[Fields] = {"denied": True}


@dataclass(frozen=True, slots=True)
class PartialPlan:
    """What is known of the changes.

    Attributes:
        plan: The changes of the resources that were read.
        denied: The resources that the credential may not read.

    """

    plan: Plan
    denied: tuple[Resource, ...] = ()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A resource that reads as :data:`_DENIED` if it must not be read."""

    resource: Resource

    @property
    def kind(self) -> str:
        return self.resource.kind

    def read(self, reader: ReadSession) -> Fields | None:
        try:
            return self.resource.read(reader)
        except AccessDenied:
            return _DENIED


def build_partial_plan(reader: ReadSession, resources: Sequence[Resource]) -> PartialPlan:
    """Return the plan of those of *resources* that *reader* may read.

    Such a plan is for people only: it has no digest, and must not be applied.

    Args:
        reader: May read some of the resources.
        resources: All declared resources of one environment.

    Raises:
        OwnedByOther: If another deployment owns an object that the declaration names.

    """
    snapshot = Snapshot(reader)
    found = read_state(snapshot, [_Attempt(each) for each in resources])
    pairs = list(zip(resources, found, strict=True))
    known = [(each, fields) for each, fields in pairs if fields is not _DENIED]
    readable, actual = [each for each, _ in known], [fields for _, fields in known]
    check_owners(snapshot, owner_of(readable), readable, actual)
    denied = tuple(each for each, fields in pairs if fields is _DENIED)
    return PartialPlan(make_plan(readable, actual), denied)
