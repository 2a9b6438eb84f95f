"""Source that is read at most once in a while: at its own pace, and never twice at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from app_integration.errors import Sealed
from console.page.sources.cached_source import CachedSource, refresh

BEGIN = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Clock:
    now = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def step(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def run_now(run: Callable[[], None]) -> None:
    run()


def run_in_thread(run: Callable[[], None]) -> None:
    threading.Thread(target=run).start()


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Counter:
    """A source that returns how often it was read, and raises *error* if it has one."""

    def __init__(self, clock: Clock, takes: float = 0) -> None:
        self.count = 0
        self.error: Exception | None = None
        self._clock = clock
        self._takes = takes

    def __call__(self) -> int:
        self._clock.step(self._takes)
        self.count += 1
        if self.error is not None:
            raise self.error
        return self.count


def source(read: Callable[[], int], clock: Clock) -> CachedSource[int]:
    return CachedSource("ledger", read, timedelta(seconds=30), clock, run_now)


def test_source_is_read_again_only_after_its_time(clock: Clock) -> None:
    counted = Counter(clock)
    found = source(counted, clock)
    for seconds, count in ((0, 1), (29, 1), (2, 2)):
        clock.step(seconds)
        refresh([found], 0)
        assert found.get().value == count


def test_slow_source_rests_longer(clock: Clock) -> None:
    counted = Counter(clock, takes=10)
    found = source(counted, clock)
    refresh([found], 0)
    clock.step(39)
    refresh([found], 0)
    assert counted.count == 1
    clock.step(2)
    refresh([found], 0)
    assert counted.count == 2


def test_error_is_shown_beside_the_value_that_was_read_before(clock: Clock) -> None:
    counted = Counter(clock)
    found = source(counted, clock)
    refresh([found], 0)
    counted.error = Sealed("the server is sealed; unseal it")
    clock.step(31)
    refresh([found], 0)
    reading = found.get()
    assert (reading.value, reading.read_at) == (1, BEGIN)
    assert reading.problem == "the server is sealed; unseal it"
    counted.error = None
    clock.step(4)
    refresh([found], 0)
    assert (found.get().value, found.get().problem) == (3, None)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            FileNotFoundError(2, "No such file or directory", "/log"),
            "/log: No such file or directory; check that this user may read it",
        ),
        (ValueError("s3cret"), "unexpected ValueError; reload, and report it if it stays"),
    ],
)
def test_unknown_error_is_shown_without_its_text(clock: Clock, error: Exception, text: str) -> None:
    counted = Counter(clock)
    counted.error = error
    found = source(counted, clock)
    refresh([found], 0)
    assert found.get().problem == text


def test_many_requests_share_one_read_and_do_not_wait_for_it(clock: Clock) -> None:
    counted, go_on, begun = Counter(clock), threading.Event(), threading.Event()

    def read() -> int:
        begun.set()
        assert go_on.wait(10)
        return counted()

    found = CachedSource("ledger", read, timedelta(seconds=30), clock, run_in_thread)
    for _ in range(10):
        refresh([found], 0.01)
        assert found.get().is_pending
    assert begun.wait(10)
    go_on.set()
    refresh([found], 10)
    assert (found.get().value, found.get().is_pending, counted.count) == (1, False, 1)


def test_slow_source_is_not_waited_for_again(clock: Clock) -> None:
    counted, go_on = Counter(clock, takes=100), threading.Event()

    def read() -> int:
        assert go_on.wait(10)
        return counted()

    found = CachedSource("ledger", read, timedelta(seconds=30), clock, run_in_thread)
    go_on.set()
    refresh([found], 60)
    clock.step(401)
    go_on.clear()
    refresh([found], 60)  # the read would fail before the wait ended
    assert (found.get().value, found.get().problem) == (1, None)
    go_on.set()


@pytest.mark.parametrize(("age", "is_pending"), [(50, False), (61, True)])
def test_value_older_than_a_minute_is_pending_until_it_was_read_again(
    clock: Clock, age: float, is_pending: bool
) -> None:
    counted, go_on = Counter(clock), threading.Event()

    def read() -> int:
        assert go_on.wait(10)
        return counted()

    found = CachedSource("ledger", read, timedelta(seconds=30), clock, run_in_thread)
    go_on.set()
    refresh([found], 10)
    clock.step(age)
    go_on.clear()
    refresh([found], 0.01)
    assert (found.get().value, found.get().is_pending) == (1, is_pending)
    counted.error = Sealed("the server is sealed; unseal it")
    go_on.set()
    refresh([found], 10)
    assert (found.get().value, found.get().is_pending) == (1, False)
    clock.step(4)
    go_on.clear()
    refresh([found], 0.01)
    assert not found.get().is_pending  # because the view says already why it is old
    go_on.set()


def test_peek_reads_nothing(clock: Clock) -> None:
    counted = Counter(clock)
    found = source(counted, clock)
    assert (found.peek().value, found.peek().is_pending, counted.count) == (None, False, 0)
