"""Tests of what is known of the outage of one source."""

from __future__ import annotations

import pytest

from app_integration._internal.backoff import BACKOFF_MIN
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    AuthenticationFailed,
    SecretNotFound,
    StrongroomError,
    UnexpectedAnswer,
    Unreachable,
)
from app_integration.sources.outage import OUTAGE_BACKOFF, Outage, is_server_unavailable
from tests.support.clock import Clock

GRACE = 20.0  # seconds


class Attempts:
    """An outage, with a clock and the errors of its requests."""

    def __init__(self, jitter: float = 0.0) -> None:
        self.clock = Clock(1000.0)
        self.outage = Outage(self.clock, lambda: jitter, GRACE / 2, has_thread=True)

    def fail(self, error: StrongroomError) -> None:
        def send() -> None:
            raise error

        with pytest.raises(type(error)):
            self.outage.observe(send)


@pytest.mark.parametrize("kind", OUTAGE)
def test_failure_as_an_outage_is_known_until_an_attempt_had_time_to_end(
    kind: type[StrongroomError],
) -> None:
    attempts = Attempts()
    attempts.fail(kind("no answer"))
    assert attempts.outage.retry_at == attempts.clock.now + BACKOFF_MIN
    for seconds, is_known in ((BACKOFF_MIN + GRACE - 0.001, True), (0.001, False), (-100, False)):
        attempts.clock.now += seconds
        error = attempts.outage.get_error("jwt-secret")
        assert attempts.outage.is_known is is_known
        assert (type(error) is kind) is is_known


def test_answer_ends_the_outage() -> None:
    attempts = Attempts()
    attempts.fail(Unreachable("x"))
    assert attempts.outage.observe(lambda: "value") == "value"
    assert not attempts.outage.is_known


@pytest.mark.parametrize("kind", [AccessDenied, SecretNotFound, AuthenticationFailed])
def test_refusal_is_an_answer(kind: type[StrongroomError]) -> None:
    attempts = Attempts()
    attempts.fail(Unreachable("x"))
    attempts.fail(kind("no"))
    assert not attempts.outage.is_known


def test_malformed_response_neither_begins_nor_ends_an_outage() -> None:
    attempts = Attempts()
    attempts.fail(UnexpectedAnswer("no data"))
    assert not attempts.outage.is_known
    attempts.fail(Unreachable("x"))
    attempts.fail(UnexpectedAnswer("no data"))
    assert attempts.outage.is_known
    assert not is_server_unavailable(UnexpectedAnswer("no data"))


def test_pause_doubles_with_each_attempt_and_concurrent_failures_are_one() -> None:
    attempts, pauses = Attempts(jitter=0.999), list[float]()
    for _ in range(8):
        for _ in range(3):
            attempts.fail(Unreachable("x"))
        pauses.append(round(attempts.outage.retry_at - attempts.clock.now))
        attempts.clock.now = attempts.outage.retry_at
    assert pauses == [1, 2, 4, 8, 16, *[OUTAGE_BACKOFF] * 3]


def test_error_names_what_was_not_requested_and_the_last_failure() -> None:
    attempts = Attempts()
    attempts.fail(Unreachable("no connection to vault"))
    error = str(attempts.outage.get_error("jwt-secret"))
    assert error.startswith("jwt-secret was not requested")
    assert error.endswith("no connection to vault")
