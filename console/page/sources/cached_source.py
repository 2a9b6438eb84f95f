"""Source that is read at most once in a while, however many requests ask for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from app_integration._internal.single_flight import SingleFlight
from app_integration.errors import StrongroomError

log = logging.getLogger(__name__)
#: A source rests this many times as long as its last read took, so that a slow one is not asked all
#: the time.
_REST: Final = 4
#: Time after which a read that failed is tried again, because the operator is fixing it.
_RETRY: Final = timedelta(seconds=3)
#: Age from which a value is not shown as the current one while it is read again.
_OLD: Final = timedelta(minutes=1)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What was read last."""

    name: str
    value: T | None = None
    read_at: datetime | None = None
    problem: str | None = None
    is_pending: bool = False


class CachedSource(Generic[T]):
    """Source of a ``T`` that is read when a request needs it and the last read is too old."""

    def __init__(
        self,
        name: str,
        read: Callable[[], T],
        ttl: timedelta,
        clock: Callable[[], datetime],
        spawn: Callable[[Callable[[], None]], object],
    ) -> None:
        """Read nothing yet.

        *spawn* starts the function that it gets, in this or another thread.
        """
        self._read = read
        self._ttl = ttl
        self._clock = clock
        self._spawn = spawn
        self._flight: SingleFlight[None] = SingleFlight()
        self._reading: Reading[T] = Reading(name)
        self._next: datetime | None = None
        self._took = timedelta()

    @property
    def took(self) -> timedelta:
        """Return how long the last read took; nothing before the first one."""
        return self._took

    def start(self) -> Future[None] | None:
        """Start a read, or return the one under way; None if the last one is fresh."""
        return None if self._is_fresh() else self._flight.join((), self._refresh, self._spawn)

    def peek(self) -> Reading[T]:
        """Return what was read last, and start nothing."""
        return self._reading

    def get(self) -> Reading[T]:
        """Return what was read last, by a request that has started a read."""
        return replace(self._reading, is_pending=self._next is None or self._is_outdated())

    def _is_fresh(self) -> bool:
        return self._next is not None and self._clock() < self._next

    def _is_outdated(self) -> bool:
        """Return whether an old value is being read again, and nothing says yet that it is old."""
        last = self._reading
        is_old = last.read_at is not None and self._clock() - last.read_at > _OLD
        return is_old and last.problem is None and not self._is_fresh()

    def _refresh(self) -> None:
        if self._is_fresh():
            return
        begun = self._clock()
        try:
            value = self._read()
        except Exception as error:  # noqa: BLE001 (the other panels of a page must stay)
            self._reading = replace(self._reading, problem=_explain(error))
            rest = _RETRY
        else:
            self._reading = Reading(self._reading.name, value, self._clock())
            rest = self._ttl
        now = self._clock()
        self._took = now - begun
        self._next = now + max(rest, _REST * self._took)


def refresh(sources: Iterable[CachedSource[Any]], seconds: float) -> None:
    """Start to read those of *sources* that are too old, and wait for those that are quick."""
    flights = [(source, flight) for source in sources if (flight := source.start()) is not None]
    most = timedelta(seconds=seconds)
    wait([flight for source, flight in flights if source.took <= most], seconds)


def _explain(error: Exception) -> str:
    """Return what failed and what to do. Texts of unknown errors may have anything in them."""
    if isinstance(error, StrongroomError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        path = f"{error.filename}: " if error.filename else ""
        return f"{path}{error.strerror}; check that this user may read it"
    log.warning("a source of the page failed: %s", type(error).__name__)
    return f"unexpected {type(error).__name__}; reload, and report it if it stays"
