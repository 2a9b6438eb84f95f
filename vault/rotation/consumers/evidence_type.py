"""Evidence that the consumers of a value have moved to a newer one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Proof(StrEnum):
    """What the evidence rests on, the strongest first."""

    NO_CONSUMER = "nothing reads it"
    AUDIT_LOG = "audit log"
    METRIC = "metric"
    TOKENS = "tokens on the server"
    COUNT = "count of stored ciphertexts"
    TIME = "time bound"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Consumer:
    """A role, host or process that has read a value."""

    identity: str
    detail: str

    def __str__(self) -> str:
        return f"{self.identity}: {self.detail}"


def merge_tokens(tokens: Sequence[Consumer]) -> tuple[Consumer, ...]:
    """Return one consumer for the tokens of each identity, with the detail of its last one."""
    details = {each.identity: each.detail for each in tokens}
    numbers = Counter(each.identity for each in tokens)
    return tuple(
        Consumer(each, f"{detail} ({numbers[each]} tokens)" if numbers[each] > 1 else detail)
        for each, detail in sorted(details.items())
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the consumers of an old value.

    Those in *ended* have no valid token, so that they must read the new value to continue. Without
    *not_before*, *grace* begins when the last consumer was seen to move.
    """

    proof: Proof
    moved: tuple[Consumer, ...] = ()
    ended: tuple[Consumer, ...] = ()
    waiting: tuple[Consumer, ...] = ()
    not_before: datetime | None = None
    grace: timedelta = timedelta()
    notes: tuple[str, ...] = ()
    readers: tuple[Consumer, ...] = ()

    def with_grace_since(self, moved: datetime) -> Evidence:
        """Return the same, with its grace period counted from *moved*."""
        end = moved + self.grace
        return replace(self, not_before=max(end, self.not_before or end))

    def is_complete(self, now: datetime) -> bool:
        """Return whether the old value may be retired at *now*."""
        return not self.waiting and (self.not_before is None or now >= self.not_before)


def describe_time(time: datetime) -> str:
    """Return *time*, which is in UTC, as text for people."""
    return f"{time:%Y-%m-%d %H:%M:%S}Z"
