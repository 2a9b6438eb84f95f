"""Outage of one source: known from requests that failed until one that is answered.

A server's own answer about one path, such as a status of 500, says little about the others. It is
an outage once the request for a second name fails, too, and none was answered between them. A name
that fails while others are answered fails alone, for whatever reason: it begins no outage until it
was answered itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from app_integration._internal.backoff import backoff
from app_integration.errors import OUTAGE, RateLimited, ServerFault, StrongroomError

_T = TypeVar("_T")

#: The longest time between two attempts to reach a source that is unavailable, in seconds.
OUTAGE_BACKOFF: Final = 30.0
#: Names that are known to fail. It is bounded, so that made-up ones do not accumulate.
_MAX_FAILING: Final = 256


@dataclass(frozen=True, slots=True)
class _Failure:
    """The last failed attempt. Times are in seconds on the outage's clock."""

    error: StrongroomError
    failed_at: float
    retry_at: float
    attempts: int


@dataclass(frozen=True, slots=True)
class _FailingName:
    """A name whose last request failed, and whether others were answered since it fails."""

    failed_at: float
    is_alone: bool


class Outage:
    """Whether one source is unavailable. Thread-safe, because its state is immutable objects.

    It is known until the next attempt, and for as long as that may last. If there is none, the
    source counts as available again. *failing* has the names whose last request failed.
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
        self.failing: dict[str, _FailingName] = {}
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
        if self._failure is None or not self.has_thread or (known := self._known()) is None:
            return None
        return type(known.error)(
            f"{name} was not requested, because the server was unavailable a moment ago; it is "
            f"tried again in the background, at least every {OUTAGE_BACKOFF:.0f} s: {known.error}"
        )

    def observe(self, send: Callable[[], _T], name: str | None, *, is_attempt: bool = True) -> _T:
        """Return the result of *send*, and note whether the source has answered.

        Without *is_attempt* nothing is sent in a known outage, which has the error of *name*.
        """
        if not is_attempt and name and self._failure and (known := self.get_error(name)):
            raise known
        try:
            result = send()
        except StrongroomError as error:
            if isinstance(error, OUTAGE):
                self._note_failure(error, name)
            elif error.is_answer:
                self._note_answer(name)
            raise
        # A batch in which no name is found may need no request.
        if result and (self._failure or self.failing):
            self._note_answer(name)
        return result

    def _note_answer(self, name: str | None) -> None:
        """End the outage. The names that still fail do so alone."""
        self._failure = None
        if self.failing:
            self.failing = {
                each: replace(failing, is_alone=True)
                for each, failing in self.failing.items()
                if each != name
            }

    def _note_failure(self, error: StrongroomError, name: str | None) -> None:
        """Schedule the next attempt, if this is an outage. Concurrent failures count as one."""
        known, now = self._known(), self._clock()
        begins = name is None or self._note_name(name, now, error)
        if (known is None and not begins) or (known is not None and now < known.retry_at):
            return
        attempts = 1 if known is None else known.attempts + 1
        pause = backoff(attempts, self._jitter(), OUTAGE_BACKOFF)
        self._failure = _Failure(error, now, now + pause, attempts)

    def _note_name(self, name: str, now: float, error: StrongroomError) -> bool:
        """Note that *name* fails, and return whether that says something about other names."""
        others = dict(self.failing)
        before = others.pop(name, None)
        is_alone = before is not None and before.is_alone
        found = [*others.items(), (name, _FailingName(now, is_alone))]
        self.failing = dict(found[-_MAX_FAILING:])
        is_about_path = isinstance(error, ServerFault | RateLimited)
        is_first = all(each.is_alone for each in others.values())
        return not is_alone and not (is_about_path and is_first)
