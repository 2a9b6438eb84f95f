"""When a failed request is worth another attempt, and how long to pause before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import tenacity

from app_integration.errors import RateLimited, ServerFault, Unreachable
from app_integration.settings import Limits

_T = TypeVar("_T")

#: A pause can help. A sealed server, or a deadline that ran out, fails at once.
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

    def __call__(self, send: Callable[[], _T], deadline: float) -> _T:
        """The answer of *send*; its last error when no further attempt would begin in time.

        Args:
            send: one attempt, which bounds itself by the same deadline.
            deadline: on the clock.
        """
        end = min(deadline, self._clock() + self._limits.retry_window)

        def out_of_time(state: tenacity.RetryCallState) -> bool:
            return self._clock() + state.upcoming_sleep >= end

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(WORTH_RETRYING),
            wait=tenacity.wait_random_exponential(
                multiplier=self._limits.retry_base, max=self._limits.retry_max
            ),
            stop=out_of_time,
            sleep=self._sleep,
            reraise=True,
        )(send)
