"""Outage of one source: known from a request that failed until one that is answered."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from app_integration._internal.backoff import backoff
from app_integration.errors import OUTAGE, StrongroomError, UnexpectedAnswer

_T = TypeVar("_T")

#: The longest time between two attempts to reach a source that is unavailable, in seconds.
OUTAGE_BACKOFF: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Failure:
    """The last failed attempt. Times are in seconds on the outage's clock."""

    error: StrongroomError
    failed_at: float
    retry_at: float
    attempts: int


class Outage:
    """Whether one source is unavailable. Thread-safe, because its state is one immutable object.

    It is known until the next attempt, and for as long as that may last. If there is none, the
    source counts as available again.

    Attributes:
        has_thread: Whether a thread makes the attempts, so that no caller has to.

    """

    def __init__(
        self,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        deadline: float,
        *,
        has_thread: bool,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._grace = 2 * deadline  # so that a thread that is late is not too late
        self._failure: _Failure | None = None
        self.has_thread = has_thread

    @property
    def is_known(self) -> bool:
        """Return whether a request would fail, by the last attempt."""
        return self._known() is not None

    @property
    def retry_at(self) -> float:
        """Return the time of the next attempt in a known outage; otherwise minus infinity."""
        known = self._known()
        return -math.inf if known is None else known.retry_at

    def _known(self) -> _Failure | None:
        failure, now = self._failure, self._clock()
        if failure is None or not failure.failed_at <= now < failure.retry_at + self._grace:
            return None
        return failure

    def get_error(self, name: str) -> StrongroomError | None:
        """Return the error of the last attempt as that of *name*; None if it is to be requested."""
        known = self._known()
        if known is None or not self.has_thread:
            return None
        return type(known.error)(
            f"{name} was not requested, because the server was unavailable a moment ago; it is "
            f"tried again in the background, at least every {OUTAGE_BACKOFF:.0f} s: {known.error}"
        )

    def observe(self, send: Callable[[], _T]) -> _T:
        """Return the result of *send*, and note whether the source has answered."""
        try:
            result = send()
        except StrongroomError as error:
            if is_server_unavailable(error):
                self._note_failure(error)
            elif not isinstance(error, UnexpectedAnswer):
                self._failure = None
            raise
        self._failure = None
        return result

    def _note_failure(self, error: StrongroomError) -> None:
        """Schedule the next attempt. Concurrent failures count as one."""
        known, now = self._known(), self._clock()
        if known is not None and now < known.retry_at:
            return
        attempts = 1 if known is None else known.attempts + 1
        pause = backoff(attempts, self._jitter(), OUTAGE_BACKOFF)
        self._failure = _Failure(error, now, now + pause, attempts)


def is_server_unavailable(error: StrongroomError) -> bool:
    """Return whether *error* means that a request for any other name would fail too.

    A response of an unexpected shape concerns the name that was requested, so it does not.
    """
    return isinstance(error, OUTAGE) and not isinstance(error, UnexpectedAnswer)
