"""Values that an application has stored under versions of a key: its hooks move and count them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app_integration.names import KEY_VERSION_VARIABLE
from app_integration.secret import Secret
from vault.declare import counts
from vault.rotation.consumers.ciphertext_count import PlaceCount, parse_counts
from vault.rotation.consumers.evidence_type import Consumer, Evidence, Proof
from vault.rotation.hooks import HookRunner
from vault.rotation.record import Record

COUNT: Final = "count"


@dataclass(frozen=True, slots=True)
class StoredValues:
    """Stored values of one key.

    Attributes:
        noun: What one of them is called, for people.
        mover: Name of the hook that moves them to a version.
        runner: Runs the hooks, each optional.
        clock: Returns the current time, in UTC.

    """

    noun: str
    mover: str
    runner: HookRunner
    clock: Callable[[], datetime]

    @property
    def is_counted(self) -> bool:
        """Return whether a hook counts them."""
        return COUNT in self.runner.commands

    def run(self, hook: str, record: Record, version: str) -> str:
        """Run a hook, if it is declared, and return what it printed.

        Args:
            hook: Name of the hook.
            record: The record of the rotation.
            version: What the hook gets as the version.

        Raises:
            HookFailed: If it does not end with exit code 0 in time.

        """
        runner = replace(self.runner, names={**self.runner.names, KEY_VERSION_VARIABLE: version})
        return runner.run(hook, record.id, Secret(version), is_secret=False).reveal()

    def move(self, record: Record) -> None:
        """Let the hook move what is stored, or a part of it, to the new version."""
        self.run(self.mover, record, record.new)

    def observe(self, record: Record, bound: datetime | None, notes: tuple[str, ...]) -> Evidence:
        """Move what is stored to the new version, and return what is left.

        Args:
            record: The record, with the new version.
            bound: Time before which values may still be stored under an old version, None if
                that does not matter.
            notes: Notes of the evidence.

        Raises:
            ConfigurationError: If the hook ``count`` prints something else than counts.
            HookFailed: If a hook fails.

        """
        began, counts = self._count(record)
        if any(each.number for each in counts):
            self.move(record)
            began, counts = self._count(record)
        if bound is not None and began < bound <= self.clock():
            _, counts = self._count(record)  # because the application may have added values
        return Evidence(
            Proof.COUNT,
            moved=tuple(self._describe(record, each) for each in counts if not each.number),
            waiting=tuple(self._describe(record, each) for each in counts if each.number),
            not_before=bound,
            notes=notes,
        )

    def _count(self, record: Record) -> tuple[datetime, list[PlaceCount]]:
        """Return the counts, and when the hook began to count."""
        began = self.clock()
        return began, parse_counts(self.run(COUNT, record, record.new), COUNT)

    def _describe(self, record: Record, each: PlaceCount) -> Consumer:
        count = counts.render(each.number, self.noun)
        return Consumer(each.place, f"{count} below version {record.new}")
