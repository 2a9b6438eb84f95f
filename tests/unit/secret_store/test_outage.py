"""What threads that ask for secrets pay while the server is away: one deadline, not one each."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from app_integration._internal import single_flight
from app_integration._internal.single_flight import SingleFlight
from app_integration.errors import (
    OUTAGE,
    DeadlineExceeded,
    StrongroomError,
    Unreachable,
)
from app_integration.secret_store.cache_entry import OUTAGE_PAUSE
from app_integration.sources import Fetched
from tests.unit.secret_store.test_store import LIMITS, Clock, Script, Shop

THREADS = 16


class Away(Script):
    """A source that gives one value, and from then on takes a whole deadline to fail."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__("one", Unreachable("the server is away"))
        self.clock = clock

    def fetch(self, name: str, *asked: object) -> Fetched:
        if self.calls and self.clock:
            self.clock.now += LIMITS.deadline
        return super().fetch(name, *asked)


def stale_shop() -> tuple[Shop, Away]:
    """A store that holds one value, past its time, and its source."""
    source = Away()
    shop = Shop(source)
    source.clock = shop.clock
    shop.store.get("jwt-secret")
    shop.clock.now += LIMITS.cache_ttl
    return shop, source


def together(work: Callable[[], Any], count: int = THREADS) -> list[Any]:
    """What *work* gives in *count* threads at once: a result or an error each."""
    results: list[Any] = []
    gate = threading.Barrier(count)

    def run() -> None:
        gate.wait(5)
        try:
            results.append(work())
        except StrongroomError as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def arrivals(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Counts the threads that wait for another's call."""
    waiting = threading.Semaphore(0)

    class Watched(Future[Any]):
        def result(self, timeout: float | None = None) -> Any:
            waiting.release()
            return super().result(timeout)

    monkeypatch.setattr(single_flight, "Future", Watched)
    return waiting


def all_arrived(arrivals: threading.Semaphore) -> bool:
    return all(arrivals.acquire(timeout=5) for _ in range(THREADS - 1))


def test_threads_with_a_stale_value_pay_one_deadline_in_all() -> None:
    shop, source = stale_shop()
    begun = shop.clock.now
    assert together(lambda: shop.store.get("jwt-secret")) == ["one"] * THREADS
    assert source.calls == 2
    assert shop.clock.now - begun == LIMITS.deadline
    assert shop.outcomes() == ["miss", *["stale"] * THREADS]


def test_a_value_served_stale_is_not_asked_for_again_before_the_pause_ends() -> None:
    shop, source = stale_shop()
    for _ in range(100):
        assert shop.store.get("jwt-secret") == "one"
    assert source.calls == 2
    shop.clock.now += OUTAGE_PAUSE - 0.001
    shop.store.get("jwt-secret")
    assert source.calls == 2
    shop.clock.now += 0.001
    shop.store.get("jwt-secret")
    assert source.calls == 3


def test_forcing_asks_during_the_pause_too() -> None:
    shop, source = stale_shop()
    shop.store.get("jwt-secret")
    assert shop.store.get("jwt-secret", force_refresh=True) == "one"
    assert source.calls == 3
    assert shop.outcomes() == ["miss", "stale", "stale"]


def test_the_pause_does_not_stretch_how_long_a_value_may_be_stale() -> None:
    shop, _ = stale_shop()
    shop.clock.now += LIMITS.stale_limit - LIMITS.cache_ttl - LIMITS.deadline - 1
    assert shop.store.get("jwt-secret") == "one"
    shop.clock.now += 1
    with pytest.raises(Unreachable):
        shop.store.get("jwt-secret")


def test_after_the_outage_the_new_value_is_served_and_fresh() -> None:
    source = Script("one", Unreachable("x"), "two")
    shop = Shop(source)
    shop.store.get("jwt-secret")
    shop.clock.now += LIMITS.cache_ttl
    shop.store.get("jwt-secret")
    shop.clock.now += OUTAGE_PAUSE
    assert [shop.store.get("jwt-secret") for _ in range(3)] == ["two"] * 3
    assert shop.outcomes() == ["miss", "stale", "miss", "hit", "hit"]
    info = shop.store.info("jwt-secret")
    assert info is not None
    assert not info.stale


@pytest.mark.parametrize("kind", OUTAGE)
def test_threads_that_wait_share_the_error(
    arrivals: threading.Semaphore, kind: type[StrongroomError]
) -> None:
    class Failing(Script):
        def fetch(self, name: str, *asked: object) -> Fetched:
            assert all_arrived(arrivals)
            return super().fetch(name, *asked)

    source = Failing(kind("away"))
    shop = Shop(source)
    errors = together(lambda: shop.store.get("jwt-secret"))
    assert source.calls == 1
    assert len(errors) == THREADS
    assert {type(error) for error in errors} == {kind}
    assert shop.outcomes() == [kind.__name__] * THREADS


def test_threads_that_force_together_share_one_request(arrivals: threading.Semaphore) -> None:
    class Counted(Script):
        def fetch(self, name: str, *asked: object) -> Fetched:
            assert all_arrived(arrivals)
            return super().fetch(name, *asked)

    source = Counted("one")
    shop = Shop(source)
    values = together(lambda: shop.store.get("jwt-secret", force_refresh=True))
    assert values == ["one"] * THREADS
    assert source.calls == 1


def test_an_interrupt_of_one_thread_is_not_raised_in_the_others(
    arrivals: threading.Semaphore,
) -> None:
    flights: SingleFlight[str] = SingleFlight()
    interrupted: list[BaseException] = []

    def interrupt() -> str:
        assert all_arrived(arrivals)
        raise KeyboardInterrupt

    def work() -> str | None:
        try:
            return flights.do("name", interrupt)
        except KeyboardInterrupt as error:
            interrupted.append(error)
            return None

    results = together(work)
    assert len(interrupted) == 1
    assert [type(result) for result in results if result] == [DeadlineExceeded] * (THREADS - 1)
    assert flights.do("name", lambda: "done") == "done"


def test_the_record_of_a_stale_value_names_its_version() -> None:
    shop, _ = stale_shop()
    shop.store.get("jwt-secret")
    record = json.loads(shop.lines[-1])
    assert (record["outcome"], record["version"], record["source"]) == ("stale", 1, "vault")
