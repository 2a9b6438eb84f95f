"""Retries: which requests are safe to repeat, after which errors, and with how much backoff."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, TypeGuard, TypeVar

from app_integration.errors import (
    RateLimited,
    ServerFault,
    StrongroomError,
    UnexpectedAnswer,
    Unreachable,
)
from app_integration.settings import Limits
from app_integration.transport.request import READS, Request

# Imported on the first retry, because most processes never need one.
if TYPE_CHECKING:
    import tenacity

_T = TypeVar("_T")

#: Errors after which a retry can succeed. A sealed server, an expired deadline or an unexpected
#: response (see :func:`_is_transient`) fails at once.
WORTH_RETRYING: Final = (Unreachable, RateLimited, ServerFault)
#: Least time for an attempt, in seconds. In less it would time out, and hide the error before it.
_LEAST: Final = 0.01
#: Paths at which engines issue credentials, for each read another one. A secret may be named so.
_ISSUES: Final = re.compile(r"(?!sys/|.+/(?:data|metadata|subkeys)/).+/creds/[^/]+")

_sends_once: Final = ContextVar("sends_once", default=False)


@contextmanager
def single_attempt(is_single: bool) -> Iterator[None]:
    """Repeat no request of this thread during the block, if *is_single*."""
    token = _sends_once.set(is_single)
    try:
        yield
    finally:
        _sends_once.reset(token)


def is_repeatable(request: Request) -> bool:
    """Return whether a second request does no harm. A caller in the SDK knows it.

    Of the application, that is one which the server did not carry out, and a read, unless its
    response is wrapped, it issues a credential, or it has a token of the caller, which may have a
    number of uses.
    """
    if request.retry is not None:
        return request.retry
    is_wrapped = any(name.lower() == "x-vault-wrap-ttl" for name in request.headers)
    is_single = (
        is_wrapped or request.token is not None or _ISSUES.fullmatch(request.path) is not None
    )
    return not request.sent or (request.method in READS and not is_single)


class Retry:
    """A callable that repeats a request with jittered exponential backoff until its deadline."""

    def __init__(
        self, limits: Limits, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        """Take ``retry_window``, ``retry_base`` and ``retry_max`` from *limits*."""
        self._limits = limits
        self._clock = clock
        self._sleep = sleep

    def __call__(
        self,
        send: Callable[[], _T],
        deadline: float,
        may_repeat: Callable[[], bool],
    ) -> _T:
        """Return the result of *send*; raise its last error if another attempt would be too late.

        Each backoff is at least the ``Retry-After`` of the server. If it would leave no time for an
        attempt before the deadline or within the retry window, the error is raised at once. *send*
        observes the same deadline by itself.
        """

        def is_worth_retrying(error: BaseException) -> bool:
            return _is_transient(error) and may_repeat()

        end = min(deadline, self._clock() + self._limits.retry_window)
        try:
            return send()  # outside tenacity, because its bookkeeping costs time on each call
        except WORTH_RETRYING as error:
            if _sends_once.get() or not is_worth_retrying(error):
                raise
            failed: list[StrongroomError] = [error]

        def attempt() -> _T:
            if failed:  # so that tenacity takes the failure above for its first attempt
                raise failed.pop()
            return send()

        return self._retry(attempt, end, is_worth_retrying)

    def _retry(
        self, send: Callable[[], _T], end: float, is_worth_retrying: Callable[[BaseException], bool]
    ) -> _T:
        import tenacity  # noqa: PLC0415 (loaded at the first retry)

        jitter = tenacity.wait_random_exponential(
            multiplier=self._limits.retry_base, max=self._limits.retry_max
        )

        def backoff(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            retry_after = error.retry_after if isinstance(error, RateLimited) else None
            return (retry_after or 0.0) + jitter(state)

        def out_of_time(state: tenacity.RetryCallState) -> bool:
            return self._clock() + state.upcoming_sleep >= end - _LEAST

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(is_worth_retrying),
            wait=backoff,
            stop=out_of_time,
            sleep=self._sleep,
            reraise=True,
        )(send)


def _is_transient(error: BaseException) -> TypeGuard[StrongroomError]:
    return isinstance(error, WORTH_RETRYING) and not isinstance(error, UnexpectedAnswer)
