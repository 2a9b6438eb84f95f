"""What each kind of rotation answers to the contract of all kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import Any

from app_integration.secret import Secret
from app_integration.session.session import Session
from vault.rotation.record import Record
from vault.rotation.rotation import Rotation


class RotatedSite(ABC):
    """An item of one kind on a real server, with its rotations.

    A value is whatever tells one from another: a text, a version, or a hash.

    Attributes:
        token: The token of the operator, which has no more than the policy that rotates the kind.
        now: The time of the rotations.
        waits: Whether the old value is accepted beside the new one, until a run after :meth:`wait`.
        goes_back: Whether a rotation that waits can be undone.
        restores: Whether the old value is the current one after that.
        created_each: How many values a rotation creates, if :meth:`created` counts them.

    """

    token: Secret
    now: datetime = datetime.now(UTC)
    waits = goes_back = restores = True
    created_each: int | None = 1

    @property
    @abstractmethod
    def address(self) -> str:
        """Return the address of the server."""

    @abstractmethod
    def rotation(self, session: Session | None = None) -> Rotation:
        """Return the rotation; by default with a session that may do all."""

    @abstractmethod
    def current(self) -> Any:
        """Return the value that consumers read."""

    @abstractmethod
    def is_accepted(self, value: Any) -> bool:
        """Return whether the system accepts a value."""

    @abstractmethod
    def is_alone(self) -> bool:
        """Return whether no other value than the current one is left."""

    def created(self) -> int:
        """Return how many values there have been, if that can be counted."""
        return 0

    def wait(self) -> None:
        """Let so much time pass that the old value may end."""
        self.now += timedelta(days=3)

    def run_to_end(self, session: Session | None = None) -> Record:
        while not (record := self.rotation(session).run().record).step.is_end:
            self.wait()
        return record
