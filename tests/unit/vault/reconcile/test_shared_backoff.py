"""Shared backoff: every thread waits under a rate limit, up to the maximum wait."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app_integration.errors import RateLimited
from app_integration.session.connection import Connection
from app_integration.transport.request import Request, RequestSender, Response, WrappedSender
from vault.reconcile.shared_backoff import SharedBackoff


class Clock:
    """A clock that advances only while a thread sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class LimitedServer(RequestSender):
    """A server that rejects requests before *opens_at*, optionally with a Retry-After."""

    def __init__(self, clock: Clock, opens_at: float, retry_after: float | None = None) -> None:
        self.clock = clock
        self.opens_at = opens_at
        self.retry_after = retry_after
        self.request_count = 0

    def exchange(self, request: Request, **_: Any) -> Response:
        self.request_count += 1
        if self.clock() < self.opens_at:
            raise RateLimited("429", retry_after=self.retry_after)
        return Response(200, str(request).encode())

    def close(self) -> None:
        """Do nothing, because no connection is open."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


def backoff_sender(server: LimitedServer, clock: Clock, max_wait: float = 60.0) -> WrappedSender:
    return SharedBackoff(max_wait, clock, clock.sleep)(server)


def send(sender: WrappedSender) -> bytes:
    return sender.exchange(Request("GET", "a"), timeout=1, token="t").content


def test_rate_limited_request_waits_for_retry_after(clock: Clock) -> None:
    server = LimitedServer(clock, opens_at=7, retry_after=7)
    assert send(backoff_sender(server, clock)) == b"GET a"
    assert (clock.slept, server.request_count) == ([7], 2)


def test_other_connection_waits_too(clock: Clock) -> None:
    backoff = SharedBackoff(60.0, clock, clock.sleep)
    server = LimitedServer(clock, opens_at=0, retry_after=7)
    backoff._back_off(7)
    send(backoff(server))
    assert (clock.slept, server.request_count) == ([7], 1)


def test_rate_limited_is_raised_after_max_wait(clock: Clock) -> None:
    server = LimitedServer(clock, opens_at=1000, retry_after=7)
    with pytest.raises(RateLimited):
        send(backoff_sender(server, clock, max_wait=20.0))
    assert (clock.now, server.request_count) == (14, 3)


def test_backoff_without_retry_after_grows_to_the_maximum(clock: Clock) -> None:
    server = LimitedServer(clock, opens_at=40)
    send(backoff_sender(server, clock))
    assert clock.slept == [0.5, 1, 2, 4, 8, 15, 15]


def test_rate_limit_of_a_standby_is_raised_at_once(clock: Clock) -> None:
    class Standby(LimitedServer):
        def exchange(self, request: Request, **_: Any) -> Response:
            self.request_count += 1
            raise RateLimited(str(request), not_sent=True)

    server = Standby(clock, opens_at=0)
    with pytest.raises(RateLimited):
        send(backoff_sender(server, clock))
    assert (clock.slept, server.request_count) == ([], 1)


def test_clock_of_sessions_stands_still_while_requests_wait(clock: Clock) -> None:
    backoff = SharedBackoff(60.0, clock, clock.sleep)
    server = LimitedServer(clock, opens_at=10, retry_after=4)
    clock.now = 2
    send(backoff(server))
    assert (clock.now, backoff.clock()) == (10, 2)
    clock.now += 3
    assert backoff.clock() == 5


def test_clock_stands_still_during_a_wait_that_is_extended(clock: Clock) -> None:
    backoff = SharedBackoff(60.0, clock, clock.sleep)
    seen = []
    for seconds, passed in ((4, 3), (2, 1), (0.5, 2)):
        backoff._back_off(seconds)
        clock.now += passed
        seen.append(backoff.clock())
    assert (seen, clock.now) == ([0, 0, 1], 6)


def test_request_whose_login_waits_keeps_its_deadline(clock: Clock) -> None:
    backoff = SharedBackoff(60.0, clock, clock.sleep)
    timeouts: list[float] = []

    class TimedServer(LimitedServer):
        def exchange(self, request: Request, **options: Any) -> Response:
            timeouts.append(options["timeout"])
            return super().exchange(request)

    connection = Connection(lambda: backoff(TimedServer(clock, 40, 20)), backoff.clock)
    end = backoff.clock() + 10
    connection.send(end, "POST", "auth/approle/login")
    connection.send(end, "GET", "a")
    assert timeouts == [10, 10, 10, 10]


def test_wait_of_several_threads_is_logged_once(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    backoff = SharedBackoff(60.0, clock, clock.sleep)
    threads = [threading.Thread(target=backoff._back_off, args=(7,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [record.message for record in caplog.records] == [
        "the server limits requests; continuing in 7 s"
    ]
