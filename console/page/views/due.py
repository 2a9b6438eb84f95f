"""When values are due: the states that the views tell apart, their colours and order."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from app_integration.names import AGENT_ISSUED
from console.views.cells import BAD, GOOD, PLAIN, WARN, Badge
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.ledger import Row, State

DAY: Final = timedelta(days=1)
SOON: Final = timedelta(days=7)
MONTH: Final = timedelta(days=30)


class Due(StrEnum):
    """When a value is due. The order is that in which it is worth looking at."""

    OVERDUE = "overdue"
    SOON = "within-7d"
    MONTH = "within-30d"
    LATER = "later"
    BY_ITSELF = "by-itself"
    NO_VALUE = "no-value"
    NOT_ISSUED = "not-issued"
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
    Due.BY_ITSELF: "renewed by itself",
    Due.NO_VALUE: "no value",
    Due.NOT_ISSUED: "none issued",
    Due.UNKNOWN: "unknown",
    Due.NEVER: "no period",
}
_TONES: Final = {
    Due.OVERDUE: BAD,
    Due.SOON: WARN,
    Due.LATER: GOOD,
    Due.BY_ITSELF: GOOD,
    Due.NO_VALUE: WARN,
}


def find_due(row: Row, now: datetime) -> Due:
    """Return when the value of *row* is due."""
    if row.state is State.NO_VALUE:
        is_new = row.item.kind is Kind.SECRET_ID and row.last_read.read is None
        return Due.NOT_ISSUED if is_new else Due.NO_VALUE
    if row.state is State.UNKNOWN:
        return Due.UNKNOWN
    return Due.NEVER if row.due is None else _find_due(row, row.due - now)


def _find_due(row: Row, left: timedelta) -> Due:
    if left < timedelta():
        return Due.OVERDUE
    if row.item.kind is Kind.STATIC_USER or row.age.issued == AGENT_ISSUED:
        return Due.BY_ITSELF  # because the server or the agent replaces it, and no operator
    if left <= SOON:
        return Due.SOON
    return Due.MONTH if left <= MONTH else Due.LATER


def is_near(row: Row, due: Due, now: datetime) -> bool:
    """Return whether a value that is due soon is so within a day."""
    return due is Due.SOON and row.due is not None and row.due - now <= DAY


def show_due(row: Row, due: Due, now: datetime) -> Badge:
    """Return the badge of *row*, which does not say seven days of what is due in minutes."""
    return Badge("due within a day", WARN) if is_near(row, due, now) else due.badge
