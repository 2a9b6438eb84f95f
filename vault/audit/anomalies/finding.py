"""Finding of a rule, and the requests that show it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

#: Hexadecimal digits of an id. Two of a thousand findings have the same with a chance of 1 in 10⁹.
_ID_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class Evidence:
    """A request. Its *address* is None if it came through a Unix socket."""

    time: datetime
    request_id: str | None
    operation: str | None
    path: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule has found.

    *slot* starts the hour or day that it belongs to, so that a repetition has the same id. *usual*
    is None if the rule does not compare.
    """

    rule: str
    severity: str
    actor: str
    is_person: bool
    host: str | None
    subject: str
    slot: datetime
    first: datetime
    last: datetime
    count: int
    usual: float | None
    evidence: tuple[Evidence, ...]

    @property
    def id(self) -> str:
        """Return the id, which a repeated run gives to the same finding again."""
        parts = [self.rule, self.actor, self.is_person, self.host, self.subject]
        text = json.dumps([*parts, self.slot.isoformat()])
        return hashlib.sha256(text.encode()).hexdigest()[:_ID_LENGTH]
