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
    """A request.

    Attributes:
        time: In UTC.
        request_id: The server's id of it, None if the line has none.
        address: Address of the client, None if it came through a Unix socket.

    """

    time: datetime
    request_id: str | None
    operation: str | None
    path: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule has found.

    Attributes:
        rule: Name of the rule.
        severity: ``low``, ``medium`` or ``high``.
        actor: The role, the person or the name of the token.
        is_person: Whether the actor is a person.
        host: Host in the metadata of the secret-id, None if it has none.
        subject: The path, address or wrapping token that it is about, empty for none.
        slot: Start of the hour or day that it belongs to, so that a repetition has the same id.
        first: Time of the first request.
        last: Time of the last request.
        count: Number of requests, or of what the rule counts.
        usual: Number that the actor usually has, None if the rule does not compare.
        evidence: The earliest requests.

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
