"""Values that an application has stored under versions of a key: its hooks move and count them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import KEY_VERSION_VARIABLE
from app_integration.secret import Secret
from vault.declare import counts
from vault.rotation.consumers.evidence_type import Consumer, Evidence, Proof
from vault.rotation.hooks import HookRunner
from vault.rotation.record import Record

_LINE: Final = re.compile(r"(\d{1,18})(?:[ \t]+(\S.*))?", re.ASCII)
#: Place of a number that is printed alone.
_PLACE: Final = "what the application has stored"
COUNT: Final = "count"


@dataclass(frozen=True, slots=True)
class PlaceCount:
    """Number of ciphertexts in one place, such as a table."""

    place: str
    number: int


def parse_counts(text: str, hook: str) -> list[PlaceCount]:
    """Return the counts in *text*: on each line a number, and the place that it is of."""
    shapes = [_LINE.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    if not shapes or None in shapes:
        raise ConfigurationError(
            f"the hook {hook} printed no count; let it print a line such as '12 data_keys' for "
            "each place, with 0 if nothing is left"
        )
    return [PlaceCount(shape[2] or _PLACE, int(shape[1])) for shape in shapes if shape is not None]


@dataclass(frozen=True, slots=True)
class StoredValues:
    """Stored values of one key.

    *noun* is what one of them is called, for people, and *mover* the hook that moves them to a
    version.
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
        """Run a hook, if it is declared, and return what it printed."""
        runner = replace(self.runner, names={**self.runner.names, KEY_VERSION_VARIABLE: version})
        return runner.run(hook, record.id, Secret(version), is_secret=False).reveal()

    def move(self, record: Record) -> None:
        """Let the hook move what is stored, or a part of it, to the new version."""
        self.run(self.mover, record, record.new)

    def observe(self, record: Record, bound: datetime | None, notes: tuple[str, ...]) -> Evidence:
        """Move what is stored to the new version, and return what is left."""
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
