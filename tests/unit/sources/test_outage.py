"""Tests of what is known of the outage of one source."""

from __future__ import annotations

from typing import Any

import pytest

from app_integration._internal.backoff import BACKOFF_MIN
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    AuthenticationFailed,
    ConfigurationError,
    RateLimited,
    SecretNotFound,
    ServerFault,
    StrongroomError,
    UnexpectedAnswer,
    Unreachable,
)
from app_integration.names import Environment, Scope
from app_integration.sources import Following, Preceding, Source, Version, not_a_version
from app_integration.sources.aws import AwsSource
from app_integration.sources.outage import OUTAGE_BACKOFF, Outage
from app_integration.sources.vault import VaultSource
from tests.support.clock import Clock

GRACE = 20.0  # seconds


class Attempts:
    """An outage, with a clock and the errors of its requests."""

    def __init__(self, jitter: float = 0.0) -> None:
        self.clock = Clock(1000.0)
        self.outage = Outage(self.clock, lambda: jitter, GRACE / 2, has_thread=True)

    def fail(self, error: StrongroomError, name: str | None = "a") -> None:
        def send() -> None:
            raise error

        with pytest.raises(type(error)):
            self.outage.observe(send, name)

    def answer(self, name: str) -> None:
        assert self.outage.observe(lambda: "value", name) == "value"


#: A server's own answers, which may concern one path only.
FAULTS = (ServerFault, UnexpectedAnswer, RateLimited)


@pytest.mark.parametrize("kind", [each for each in OUTAGE if not issubclass(each, FAULTS)])
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


@pytest.mark.parametrize("kind", [None, AccessDenied, SecretNotFound, AuthenticationFailed])
def test_answer_or_refusal_ends_the_outage(kind: type[StrongroomError] | None) -> None:
    attempts = Attempts()
    attempts.fail(Unreachable("x"))
    if kind is None:
        attempts.answer("b")
    else:
        attempts.fail(kind("no"))
    assert not attempts.outage.is_known


def test_error_without_a_request_is_no_answer() -> None:
    attempts = Attempts()
    attempts.fail(Unreachable("x"))
    attempts.fail(ConfigurationError("no version"))
    attempts.fail(not_a_version("no version"))
    attempts.outage.observe(dict, None)  # as a batch of which the source requests nothing
    assert attempts.outage.is_known


SCOPE = Scope("shop", Environment.PROD)
#: Neither has a connection, so a request would fail otherwise.
SOURCES: dict[str, Source] = {"vault": VaultSource(Any, SCOPE), "aws": AwsSource(Any, SCOPE)}  # type: ignore[arg-type] # as said


@pytest.mark.parametrize(
    ("source", "version"),
    [("vault", "AWSPENDING"), ("vault", Preceding("id")), ("vault", Following("id")), ("aws", 3)],
)
def test_version_that_a_source_cannot_have_is_no_answer(source: str, version: Version) -> None:
    with pytest.raises((ConfigurationError, SecretNotFound)) as caught:
        SOURCES[source].fetch("jwt-secret", version, None)
    assert not caught.value.is_answer


@pytest.mark.parametrize("kind", FAULTS)
def test_fault_is_an_outage_once_a_second_name_has_it(kind: type[StrongroomError]) -> None:
    attempts = Attempts()
    for _ in range(3):
        attempts.fail(kind("500"), "a")
        assert not attempts.outage.is_known
    attempts.fail(kind("500"), "b")
    assert attempts.outage.is_known


@pytest.mark.parametrize("kind", FAULTS)
def test_fault_of_a_request_for_several_names_is_an_outage(kind: type[StrongroomError]) -> None:
    attempts = Attempts()
    attempts.fail(kind("500"), None)
    assert attempts.outage.is_known


@pytest.mark.parametrize("kind", OUTAGE)
def test_name_that_fails_while_others_are_answered_begins_no_outage_until_it_is_answered(
    kind: type[StrongroomError],
) -> None:
    attempts = Attempts()
    attempts.fail(kind("x"), "a")
    attempts.answer("b")
    attempts.fail(kind("x"), "a")
    attempts.fail(ServerFault("500"), "b")
    assert not attempts.outage.is_known
    attempts.fail(ServerFault("500"), "c")
    assert attempts.outage.is_known
    attempts.answer("a")
    attempts.fail(Unreachable("x"), "a")
    assert attempts.outage.is_known


def test_attempt_for_a_name_that_fails_alone_is_an_attempt_too() -> None:
    attempts = Attempts()
    attempts.fail(ServerFault("500"), "a")
    attempts.answer("b")
    attempts.fail(Unreachable("x"), "b")
    attempts.clock.now = attempts.outage.retry_at
    attempts.fail(ServerFault("500"), "a")
    assert attempts.outage.retry_at > attempts.clock.now


def test_time_of_a_failure_is_kept_until_the_name_is_answered() -> None:
    attempts = Attempts()
    assert not attempts.outage.failing
    attempts.fail(ServerFault("500"), "a")
    attempts.answer("b")
    assert attempts.outage.failing["a"].failed_at == attempts.clock.now
    attempts.answer("a")
    assert not attempts.outage.failing


def test_names_that_fail_are_bounded() -> None:
    attempts = Attempts()
    for number in range(1000):
        attempts.fail(ServerFault("500"), f"n{number}")
    assert len(attempts.outage.failing) < 1000
    assert attempts.outage.failing["n999"].failed_at == attempts.clock.now
    assert "n0" not in attempts.outage.failing


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
