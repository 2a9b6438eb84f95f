"""State of a rotation, in the custom metadata of an entry that no service can read.

The entry is ``<kv>/_strongroom/<environment>/rotation/<kind>/<name>``, beside the ownership
metadata. So a rotation can be continued from any machine, after any step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from app_integration.errors import ConfigurationError
from app_integration.session.session import Session
from vault.reconcile.resources import ReadSession
from vault.reconcile.resources.ownership import (
    Owner,
    OwnershipEntry,
    check_notes,
    rotation_kind,
)
from vault.reconcile.server_time import parse_time
from vault.rotation.inventory import Item
from vault.rotation.pending import PendingValue

_KEY: Final = "rotation"
_FORMAT: Final = 1


class Step(StrEnum):
    """The step of a rotation that runs next, or how it has ended."""

    CREATE = "create"
    SET = "set"
    TEST = "test"
    PROMOTE = "promote"
    CONSUMERS = "consumers"
    RETIRE = "retire"
    DONE = "done"
    UNDONE = "undone"

    @property
    def is_end(self) -> bool:
        """Return whether the rotation has ended."""
        return self in {Step.DONE, Step.UNDONE}


@dataclass(frozen=True, slots=True)
class Record:
    """State of one rotation. It never contains a secret.

    *old* and *new* are in the kind's terms: a version, a user or an accessor. *moved* is when a
    look first found no consumer of the old value. With *is_repeated*, another rotation follows,
    because an emergency began when the new value may have been current.
    """

    id: str
    step: Step
    started: datetime
    old: str = ""
    new: str = ""
    announced: datetime | None = None
    promoted: datetime | None = None
    moved: datetime | None = None
    ended: datetime | None = None
    is_compromised: bool = False
    is_undone: bool = False
    is_repeated: bool = False

    @property
    def waits_since(self) -> datetime:
        """Return when the new value was promoted, or when the rotation began if it was not."""
        return self.promoted or self.started

    @property
    def needs_another(self) -> bool:
        """Return whether it has ended without the rotation that must follow, because of a kill."""
        return self.step is Step.DONE and self.is_repeated

    @classmethod
    def parse(cls, text: str, what: str) -> Self:
        """Return the record in *text*."""
        try:
            found: dict[str, Any] = json.loads(text)
            format_ = found.pop("format")
            found |= {key: parse_time(found[key]) for key in _TIMES if key in found}
            found["step"] = Step(found["step"])
            record = cls(**found)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            record, format_ = None, None
        if record is None or format_ != _FORMAT or not record.has_types:
            raise ConfigurationError(
                f"the record of the rotation of {what} cannot be read; use the version of the "
                "tool that began it"
            )
        return record

    @property
    def has_types(self) -> bool:
        """Return whether each field has its type, which a text from the server may not have."""
        texts = (self.id, self.old, self.new)
        flags = (self.is_compromised, self.is_undone, self.is_repeated)
        return (
            all(isinstance(each, str) for each in texts)
            and all(isinstance(each, bool) for each in flags)
            and isinstance(self.started, datetime)
        )

    def render(self) -> str:
        """Return the record as text, at most 512 characters."""
        fields: dict[str, Any] = {
            "format": _FORMAT,
            "id": self.id,
            "step": self.step.value,
            "old": self.old,
            "new": self.new,
            "is_compromised": self.is_compromised,
            "is_undone": self.is_undone,
            "is_repeated": self.is_repeated,
        }
        times = {key: getattr(self, key) for key in _TIMES}
        fields |= {key: time.isoformat() for key, time in times.items() if time is not None}
        return json.dumps(fields, separators=(",", ":"))


_TIMES: Final = ("started", "announced", "promoted", "moved", "ended")


@dataclass(frozen=True, slots=True)
class RecordStore:
    """The record of one item on the server."""

    session: ReadSession
    owner: Owner
    item: Item

    @property
    def entry(self) -> OwnershipEntry:
        """Return the entry that has the record. Its value, if there is one, is a pending one."""
        return self.owner.entry(rotation_kind(self.item.kind), self.item.server_name)

    def pending(self, session: Session) -> PendingValue:
        """Return the place of the new value before its promotion."""
        return PendingValue(session, self.entry.path, self.owner.mounts.kv)

    def read(self) -> Record | None:
        """Return the record of the last rotation, None if there was none."""
        return self._parse(self.entry.read(self.session))

    def write(
        self,
        session: Session,
        record: Record,
        check: Callable[[Record | None], None] = lambda _found: None,
    ) -> None:
        """Replace the record by *record*. *check* gets the one before, and may raise an error."""
        notes = {_KEY: record.render()}
        self.entry.write(session, notes, lambda found: check(self._parse(found)))

    def _parse(self, found: Mapping[str, str]) -> Record | None:
        check_notes(found, self.owner, f"the rotation of {self.item.server_name}")
        text = found.get(_KEY)
        return None if text is None else Record.parse(text, self.item.server_name)
