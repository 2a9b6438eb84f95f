"""What a kind of value implements, so that the state machine can rotate it."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol, runtime_checkable

from vault.rotation.consumers.evidence_type import Evidence
from vault.rotation.inventory import Item
from vault.rotation.record import Record


class Steps(Protocol):
    """The steps of a rotation for one item. Each step can be repeated after a kill.

    A step returns the record with what it has found out. The machine writes it, with the next step.
    """

    @property
    def item(self) -> Item:
        """Return what is rotated."""
        ...

    def start(self, record: Record) -> Record:
        """Return the record with the old value's name in it. Nothing is written.

        Raises:
            StrongroomError: If the item cannot be rotated.

        """
        ...

    def create(self, record: Record) -> Record:
        """Create the new value, which no consumer reads yet."""
        ...

    def set(self, record: Record) -> Record:
        """Make the system accept the new value, beside the old one if it can."""
        ...

    def test(self, record: Record) -> Record:
        """Check that the system accepts the new value."""
        ...

    def promote(self, record: Record) -> Record:
        """Make the new value the one that consumers read."""
        ...

    def find_consumers(self, record: Record) -> Evidence:
        """Return which consumers have moved to the new value, and which have not."""
        ...

    def retire(self, record: Record) -> Record:
        """Revoke or destroy the old value."""
        ...

    def undo(self, record: Record) -> None:
        """Make the old value the one that consumers read, and revoke the new one.

        Raises:
            UndoImpossible: If there is no way back. Nothing was changed.

        """
        ...


@runtime_checkable
class Announced(Protocol):
    """Steps of a value that is announced for a while before its promotion, if that is not None."""

    announce_for: timedelta | None

    def announce(self, record: Record) -> Record:
        """Make the new value known beside the old one, which stays current. It can be repeated."""
        ...
