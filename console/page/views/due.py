"""When values are due: the states that the views tell apart, their colours and order."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from console.views.cells import BAD, GOOD, PLAIN, WARN, Badge
from vault.rotation.ledger.ledger import Row, State

SOON: Final = timedelta(days=7)
MONTH: Final = timedelta(days=30)


class Due(StrEnum):
    """When a value is due. The order is that in which it is worth looking at."""

    OVERDUE = "overdue"
    SOON = "within-7d"
    MONTH = "within-30d"
    LATER = "later"
    NO_VALUE = "no-value"
    UNKNOWN = "unknown"
    NEVER = "no-period"

    @property
    def label(self) -> str:
        """Return its name."""
        return _LABELS[self]

    @property
    def badge(self) -> Badge:
        """Return a badge of it."""
        return Badge(self.label, _TONES.get(self, PLAIN))


_LABELS: Final = {
    Due.OVERDUE: "overdue",
    Due.SOON: "due within 7 days",
    Due.MONTH: "due within 30 days",
    Due.LATER: "due later",
    Due.NO_VALUE: "no value",
    Due.UNKNOWN: "unknown",
    Due.NEVER: "no period",
}
_TONES: Final = {
    Due.OVERDUE: BAD,
    Due.SOON: WARN,
    Due.LATER: GOOD,
    Due.NO_VALUE: WARN,
}


def find_due(row: Row, now: datetime) -> Due:
    """Return when the value of *row* is due."""
    if row.state is State.NO_VALUE:
        return Due.NO_VALUE
    if row.state is State.UNKNOWN:
        return Due.UNKNOWN
    if row.due is None:
        return Due.NEVER
    left = row.due - now
    if left < timedelta():
        return Due.OVERDUE
    if left <= SOON:
        return Due.SOON
    return Due.MONTH if left <= MONTH else Due.LATER
