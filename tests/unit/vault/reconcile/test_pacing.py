"""A rate limit is kept by every thread, for as long as there is patience."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from app_integration.errors import RateLimited
from vault.reconcile.pacing import Pace, Paced


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Limited:
    """A server that refuses whoever comes before *opens*, and says when to come back."""

    def __init__(self, clock: Clock, opens: float, retry_after: float | None = None) -> None:
        self.clock = clock
        self.opens = opens
        self.retry_after = retry_after
        self.sent = 0

    def send(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        self.sent += 1
        if self.clock() < self.opens:
            raise RateLimited("429", retry_after=self.retry_after)
        return {"data": f"{method} {path}"}

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


def paced(server: Limited, clock: Clock, max_wait: float = 60.0) -> Paced:
    return Pace(max_wait, clock, clock.sleep)(server)


def test_a_request_waits_as_long_as_the_server_asks(clock: Clock) -> None:
    server = Limited(clock, opens=7, retry_after=7)
    assert paced(server, clock).send("GET", "a", timeout=1) == {"data": "GET a"}
    assert (clock.slept, server.sent) == ([7], 2)


def test_another_connection_doesnt_ask_while_one_waits(clock: Clock) -> None:
    pace = Pace(60.0, clock, clock.sleep)
    server = Limited(clock, opens=0, retry_after=7)
    pace._back_off(7)
    pace(server).send("GET", "a", timeout=1)
    assert (clock.slept, server.sent) == ([7], 1)


def test_patience_ends(clock: Clock) -> None:
    server = Limited(clock, opens=1000, retry_after=7)
    with pytest.raises(RateLimited):
        paced(server, clock, max_wait=20.0).send("GET", "a", timeout=1)
    assert (clock.now, server.sent) == (14, 3)


def test_a_refusal_without_a_time_is_tried_again_ever_later(clock: Clock) -> None:
    server = Limited(clock, opens=40)
    paced(server, clock).send("GET", "a", timeout=1)
    assert clock.slept == [0.5, 1, 2, 4, 8, 15, 15]


def test_a_standby_that_refuses_is_left_to_who_knows_the_others(clock: Clock) -> None:
    class Standby(Limited):
        def send(self, method: str, path: str, **_: Any) -> dict[str, Any]:
            self.sent += 1
            raise RateLimited(f"{method} {path}", not_sent=True)

    server = Standby(clock, opens=0)
    with pytest.raises(RateLimited):
        paced(server, clock).send("GET", "a", timeout=1)
    assert (clock.slept, server.sent) == ([], 1)


def test_one_wait_is_told_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    pace = Pace(60.0, clock, clock.sleep)
    threads = [threading.Thread(target=pace._back_off, args=(7,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [record.message for record in caplog.records] == [
        "the server limits requests; continuing in 7 s"
    ]
