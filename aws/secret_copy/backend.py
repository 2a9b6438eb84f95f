"""What the two backends have in common for a copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app_integration.errors import ConfigurationError
from aws.secret_copy.entry import Entry


@dataclass(frozen=True, slots=True)
class Stored:
    """What a backend has of one secret.

    *content* is the tag on AWS that says what the value is; *problem* is why it cannot be copied.
    """

    exists: bool = False
    entry: Entry | None = None
    version: int | str | None = None
    content: str | None = None
    problem: str = ""


class ValueChanged(ConfigurationError):
    """Another writer came first; its value stays."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} was written by another client since it was read; run the command again"
        )


class SecretBackend(Protocol):
    """The declared secrets on one backend."""

    @property
    def name(self) -> str:
        """Return the name of the backend, as options have it."""
        ...

    def read(self, path: str) -> Stored:
        """Return what there is of the secret *path*.

        Raises:
            StrongroomError: If it cannot be read, or nothing can be copied from it or to it.

        """
        ...

    def check(self, path: str, entry: Entry) -> None:
        """Raise an error if the backend does not take *entry* as it is, before anything is sent.

        Raises:
            ConfigurationError: If it does not.

        """
        ...

    def write(self, path: str, entry: Entry, stored: Stored) -> None:
        """Write *entry* as the next version; create the secret first if it does not exist.

        Args:
            path: The secret.
            entry: The value.
            stored: What was read before.

        Raises:
            ValueChanged: If another writer came first.

        """
        ...

    def compose(self, path: str, stored: Stored) -> None:
        """Write a derived value, composed of its parts on this backend. See :meth:`write`."""
        ...
