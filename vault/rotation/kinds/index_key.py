"""Rotation of the key of a blind index, which the application's hooks do in its own database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.settings import Limits
from vault.rotation.consumers.evidence_type import Evidence
from vault.rotation.context import RotationContext
from vault.rotation.inventory import Item
from vault.rotation.kinds.stored_values import StoredValues
from vault.rotation.record import Record, Step

#: Seconds until every process writes index values of a new version: one that refreshes its
#: versions at the last moment does so an interval after the version is in use.
WRITE_WINDOW: Final = 3 * int(Limits().index_refresh)
_UNKNOWN: Final = "the version in use"
_NOTE: Final = (
    "the count is the application's own; a row that it has missed is not found after the old "
    "version is retired, and must be written again"
)


@dataclass(frozen=True, slots=True)
class IndexRotation:
    """The steps for the key of one blind index."""

    item: Item
    retire_after: int
    stored: StoredValues
    read_previous: Callable[[], Record | None]

    def start(self, record: Record) -> Record:
        """Return the record, with the version that an undone rotation has left in use.

        Only the application knows the version before it.
        """
        last = self.read_previous()
        left = last.new if last is not None and last.step is Step.UNDONE else ""
        return replace(record, old=_UNKNOWN, new=left)

    def create(self, record: Record) -> Record:
        """Let the hook ``rotate`` create a version, which prints its number.

        It may adopt the one that is left. That may be compromised, too, so that another follows.
        """
        printed = self.stored.run("rotate", record, "").strip()
        if not (printed.isascii() and printed.isdecimal() and int(printed) > 1):
            raise ConfigurationError(
                f"the hook rotate of {self.item.name} did not print the number of the new version, "
                "which is 2 or more; let it print that alone"
            )
        is_adopted = record.is_compromised and printed == record.new
        is_repeated = record.is_repeated or is_adopted
        return replace(record, old=str(int(printed) - 1), new=printed, is_repeated=is_repeated)

    def set(self, record: Record) -> Record:
        """Change nothing, because processes learn of the version by themselves."""
        return record

    def test(self, record: Record) -> Record:
        """Test nothing, because the application checks each version that it reads."""
        return record

    def promote(self, record: Record) -> Record:
        """Change nothing, because the version has a time from which processes write with it."""
        return record

    def find_consumers(self, record: Record) -> Evidence:
        """Let the hook ``rewrite`` rewrite index values, and return what ``count`` counts.

        Values that processes write in the first minutes are rewritten by a later run.
        """
        promoted = record.promoted or self.stored.clock()
        bound = promoted + timedelta(seconds=max(self.retire_after, WRITE_WINDOW))
        return self.stored.observe(record, bound, (_NOTE,))

    def retire(self, record: Record) -> Record:
        """Let the hook ``retire`` delete the old version for good."""
        self.stored.run("retire", record, record.old)
        return record

    def undo(self, record: Record) -> None:
        """Change nothing: both versions are searched for, and values of both are found."""


def build(context: RotationContext, item: Item) -> IndexRotation:
    """Return the steps that rotate the key of the index *item*."""
    declared = context.declaration.service(item.service or "").indexes[item.name]
    runner = context.runner(item, declared.hooks.commands)
    stored = StoredValues("index value", "rewrite", runner, context.clock)
    return IndexRotation(item, declared.retire_after or 0, stored, context.store(item).read)
