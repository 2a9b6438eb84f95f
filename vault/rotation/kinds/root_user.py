"""Rotation of the user with which the server manages a database."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app_integration.session.session import Session
from vault.rotation.consumers.evidence_type import Evidence, Proof
from vault.rotation.context import RotationContext
from vault.rotation.inventory import Item
from vault.rotation.record import Record
from vault.rotation.rotation import UndoImpossible


@dataclass(frozen=True, slots=True)
class RootUserRotation:
    """The steps for one root user.

    The server sets the new password and uses it at once, and only the server knows it. So there is
    no consumer to wait for, and no way back. After a kill between the request and the record, the
    next run sets one more password, which does no harm.
    """

    item: Item
    session: Session
    mount: str

    def start(self, record: Record) -> Record:
        """Return the record. The old password has no name, because no one knows it."""
        return replace(record, old="old password")

    def create(self, record: Record) -> Record:
        """Let the server set a new password.

        The request is not repeated here, because the server may execute one that has failed later.
        """
        self.session.post(f"{self.mount}/rotate-root/{self.item.server_name}", retry=False)
        return replace(record, new="new password")

    def set(self, record: Record) -> Record:
        """Return the record, because the server has set the password already."""
        return record

    def test(self, record: Record) -> Record:
        """Let the server log in again.

        Leased users stay. The server reports an error if the database rejects its password.
        """
        self.session.post(f"{self.mount}/reset/{self.item.server_name}", retry=False)
        return record

    def promote(self, record: Record) -> Record:
        """Return the record, because the server uses the password already."""
        return record

    def find_consumers(self, record: Record) -> Evidence:  # noqa: ARG002 (protocol)
        """Return that nothing but the server uses the password."""
        note = f"only the server knows the password of {self.item.name}"
        return Evidence(Proof.NO_CONSUMER, notes=(note,))

    def retire(self, record: Record) -> Record:
        """Return the record, because the old password is invalid already."""
        return record

    def undo(self, record: Record) -> None:  # noqa: ARG002 (protocol)
        """Raise UndoImpossible."""
        raise UndoImpossible(
            f"the rotation of {self.item.name} cannot be undone, because no one knows its old "
            "password; continue with: strongroom rotate"
        )


def build(context: RotationContext, item: Item) -> RootUserRotation:
    """Return the steps that rotate the root user *item*."""
    return RootUserRotation(item, context.session, context.mounts.database)
