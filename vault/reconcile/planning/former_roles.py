"""AppRoles on mounts that a deployment used before, as their ownership metadata says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from app_integration.errors import RequestRefused
from app_integration.names import APPROLE_MOUNT
from app_integration.session.session import Session
from vault.declare.server_names import own_names
from vault.reconcile.resources import Fields, ReadSession, Resource
from vault.reconcile.resources.auth import AppRole
from vault.reconcile.resources.ownership import (
    FORMER_MOUNTS,
    Owner,
    OwnershipEntry,
    noted_mounts,
    other_deployment,
)


class Undeclared:
    """A managed object that is no longer declared, so that its fields are not compared."""

    __slots__ = ()

    def desired(self) -> Fields:
        """Return no fields, because nothing is declared."""
        return {}

    def read(self, reader: ReadSession) -> Fields | None:  # noqa: ARG002 (protocol)
        """Return no fields, because its fields are no longer compared."""
        return {}


@dataclass(frozen=True, slots=True)
class FormerRole(Undeclared):
    """An AppRole that stayed on another mount when the declared mount changed."""

    kind: ClassVar[str] = AppRole.kind
    data: ClassVar[None] = None

    entry: OwnershipEntry
    mount: str
    is_declared: bool

    @property
    def name(self) -> str:
        """Return the role's name with its mount."""
        return f"{self.entry.name} on auth/{self.mount}"

    def write(self, session: Session, before: Fields | None) -> None:  # noqa: ARG002 (protocol)
        """Delete the role, then its mount from the metadata. A 404 means that it is unmounted."""
        try:
            session.delete(f"auth/{self.mount}/role/{self.entry.name}")
        except RequestRefused as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        if self.is_declared:
            former = self.entry.read(session).get(FORMER_MOUNTS, "").split()
            left = " ".join(each for each in former if each != self.mount)
            self.entry.write(session, {FORMER_MOUNTS: left or None})


def find_former_roles(
    reader: ReadSession, resources: Sequence[Resource], owner: Owner, session: ReadSession
) -> Iterator[FormerRole]:
    """Yield the AppRoles that *owner* has left on other mounts, without those of its jobs.

    The operator is logged in with one of these, and needs a credential on the new mount first.
    *session* reads the default mount outside of the digest: a plan role on another one may not.
    """
    if owner.mounts.approle == APPROLE_MOUNT:
        session = reader
    declared = {each.name for each in resources if each.kind == AppRole.kind}
    jobs = own_names(owner.deployment)
    for name in owner.list_names(reader, AppRole.kind):
        entry = owner.entry(AppRole.kind, name)
        noted = entry.read(reader)
        if name not in jobs and other_deployment(noted, owner.deployment) is None:
            for mount in sorted(noted_mounts(session, name, noted) - {owner.mounts.approle}):
                yield FormerRole(entry, mount, name in declared)
