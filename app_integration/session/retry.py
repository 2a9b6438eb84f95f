"""When a failed request is worth another attempt, and how long to pause before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import tenacity

from app_integration.errors import (
    RateLimited,
    ServerFault,
    StrongroomError,
    UnexpectedAnswer,
    Unreachable,
)
from app_integration.settings import Limits

_T = TypeVar("_T")

#: A pause can help. A sealed server, a deadline that ran out, or an answer of another shape fails
#: at once.
WORTH_RETRYING: Final = (Unreachable, RateLimited, ServerFault)


class Retry:
    """Repeats a call with jittered, growing pauses, all within its deadline."""

    def __init__(
        self, limits: Limits, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        """Args: *clock* in seconds, monotonic; *sleep* pauses for seconds."""
        self._limits = limits
        self._clock = clock
        self._sleep = sleep
        self._jitter = tenacity.wait_random_exponential(
            multiplier=limits.retry_base, max=limits.retry_max
        )

    def __call__(self, send: Callable[[], _T], deadline: float) -> _T:
        """The answer of *send*; its last error when no further attempt would begin in time.

        A pause is at least what the server asks for; one that would be too long isn't begun.

        Args:
            send: one attempt, which bounds itself by the same deadline.
            deadline: on the clock.

        """
        end = min(deadline, self._clock() + self._limits.retry_window)
        try:
            return send()  # nearly always all there is to it, without the library's bookkeeping
        except WORTH_RETRYING as error:
            if not _is_worth_retrying(error):
                raise
            failed: list[StrongroomError] = [error]

        def again() -> _T:
            if failed:
                raise failed.pop()
            return send()

        return self._repeated(again, end)

    def _repeated(self, send: Callable[[], _T], end: float) -> _T:
        def out_of_time(state: tenacity.RetryCallState) -> bool:
            return self._clock() + state.upcoming_sleep >= end

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_worth_retrying),
            wait=self._pause,
            stop=out_of_time,
            sleep=self._sleep,
            reraise=True,
        )(send)

    def _pause(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, RateLimited) else None
        return (asked or 0.0) + self._jitter(state)


def _is_worth_retrying(error: BaseException) -> bool:
    return isinstance(error, WORTH_RETRYING) and not isinstance(error, UnexpectedAnswer)
