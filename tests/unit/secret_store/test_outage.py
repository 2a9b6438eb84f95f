"""Tests of outages: concurrent threads wait for one deadline together, not for one each."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from app_integration._internal import single_flight
from app_integration._internal.backoff import BACKOFF_MIN
from app_integration._internal.single_flight import SingleFlight
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    ConfigurationError,
    DeadlineExceeded,
    RateLimited,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.secret_store.async_store import AsyncSecretStore
from app_integration.session import retry
from app_integration.sources import FetchedSecret
from app_integration.sources.outage import OUTAGE_BACKOFF
from tests.support.clock import Clock
from tests.unit.secret_store.test_store import LIMITS, Script, Shop

THREADS = 16
READS = 100


class SlowOutage(Script):
    """Source that returns one value, and then takes a whole deadline for each failure."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__("one", Unreachable("the server is unavailable"))
        self.clock = clock

    def fetch(self, name: str, *arguments: object) -> FetchedSecret:
        if self.calls and self.clock:
            self.clock.now += LIMITS.deadline
        return super().fetch(name, *arguments)


def shop_with_stale_value() -> tuple[Shop, SlowOutage]:
    """Return a store with one stale value, and its source."""
    source = SlowOutage()
    shop = Shop(source)
    source.clock = shop.clock
    shop.store.get("jwt-secret")
    shop.clock.now += LIMITS.cache_ttl
    return shop, source


def run_concurrently(work: Callable[[], Any], count: int = THREADS) -> list[Any]:
    """Run *work* in *count* threads at once, and return the result or error of each."""
    barrier = threading.Barrier(count)

    def run() -> Any:
        barrier.wait(20)
        return work()

    with ThreadPoolExecutor(count) as pool:
        ended = [pool.submit(run) for _ in range(count)]
    return [each.exception() or each.result() for each in ended]


@pytest.fixture
def arrivals(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Return a semaphore that counts the threads waiting for a concurrent call."""
    waiting = threading.Semaphore(0)

    class Watched(Future[Any]):
        def result(self, timeout: float | None = None) -> Any:
            waiting.release()
            return super().result(timeout)

    monkeypatch.setattr(single_flight, "Future", Watched)
    return waiting


def all_waiting(arrivals: threading.Semaphore) -> bool:
    return all(arrivals.acquire(timeout=20) for _ in range(THREADS - 1))


def test_threads_with_a_stale_value_wait_for_one_deadline_together() -> None:
    shop, source = shop_with_stale_value()
    started_at = shop.clock.now
    assert run_concurrently(lambda: shop.store.get("jwt-secret")) == ["one"] * THREADS
    assert source.calls == 2
    assert shop.clock.now - started_at == LIMITS.deadline
    assert shop.outcomes() == ["miss", *["stale"] * THREADS]


def test_stale_value_is_not_requested_again_before_a_refresh_had_time_to_fail() -> None:
    shop, source = shop_with_stale_value()
    for _ in range(100):
        assert shop.store.get("jwt-secret") == "one"
    assert source.calls == 2
    shop.clock.now += BACKOFF_MIN + 2 * LIMITS.deadline - 0.001
    shop.store.get("jwt-secret")
    assert source.calls == 2
    shop.clock.now += 0.001
    shop.store.get("jwt-secret")
    assert source.calls == 3


@pytest.mark.parametrize("age", [0.0, LIMITS.cache_ttl])
def test_force_refresh_in_an_outage_is_an_error_and_keeps_the_cached_value(age: float) -> None:
    source = Script("one", Unreachable("the server is unavailable"), "two")
    shop = Shop(source)
    shop.store.get("jwt-secret")
    shop.clock.now += age
    with pytest.raises(Unreachable):
        shop.store.get("jwt-secret", force_refresh=True, default="unused")
    assert shop.store.get("jwt-secret") == "one"
    assert source.calls == 2
    assert shop.store.get("jwt-secret", force_refresh=True) == "two"
    assert shop.outcomes() == ["miss", "Unreachable", "stale" if age else "hit", "miss"]


def test_forced_coroutine_in_an_outage_raises_while_another_gets_the_stale_value() -> None:
    shop, source = shop_with_stale_value()
    secrets = AsyncSecretStore(shop.store)

    async def ask() -> list[object]:
        forced, other = secrets.get("jwt-secret", force_refresh=True), secrets.get("jwt-secret")
        return [*await asyncio.gather(other, forced, return_exceptions=True)]

    stale, error = asyncio.run(ask())
    secrets.close()
    assert stale == "one"
    assert isinstance(error, Unreachable)
    assert source.calls == 3
    assert sorted(shop.outcomes()[1:]) == ["Unreachable", "stale"]


@pytest.mark.parametrize(
    ("development", "expected"), [(True, ["miss"]), (False, ["Unreachable"])], ids=str
)
def test_force_refresh_in_an_outage_uses_another_source_in_development_only(
    development: bool, expected: list[str]
) -> None:
    sources = Script(Unreachable("away")), Script("delivered", name="rendered")
    shop = Shop(*sources, development=development)
    with suppress(Unreachable):
        shop.store.get("jwt-secret", force_refresh=True)
    assert shop.outcomes() == expected
    assert shop.store.get("jwt-secret") == "delivered"


def test_value_denied_during_a_refresh_is_not_served_stale_after_it() -> None:
    class Overtaken(Script):
        def fetch(self, name: str, *arguments: object) -> FetchedSecret:
            if self.calls == 1:
                self.calls += 1
                shop.store.fetcher.cache.drop_name(name)  # as another thread does, when denied
                raise Unreachable("x")
            return super().fetch(name, *arguments)

    shop = Shop(Overtaken("one"))
    shop.store.get("jwt-secret")
    shop.clock.now += LIMITS.cache_ttl
    with pytest.raises(Unreachable):
        shop.store.get("jwt-secret")


def test_answer_that_is_stale_on_arrival_is_recorded_as_a_miss() -> None:
    shop = Shop(Script("one"), ttls={"jwt-secret": 0.0})
    shop.store.get("jwt-secret")
    assert shop.outcomes() == ["miss"]


def test_backoff_does_not_extend_the_stale_limit() -> None:
    shop, _ = shop_with_stale_value()
    shop.clock.now += LIMITS.stale_limit - LIMITS.cache_ttl - LIMITS.deadline - 1
    assert shop.store.get("jwt-secret") == "one"
    shop.clock.now += 1
    with pytest.raises(Unreachable):
        shop.store.get("jwt-secret")


def test_new_value_is_served_fresh_after_the_outage() -> None:
    source = Script("one", Unreachable("x"), "two")
    shop = Shop(source)
    shop.store.get("jwt-secret")
    shop.clock.now += LIMITS.cache_ttl
    shop.store.get("jwt-secret")
    shop.clock.now += OUTAGE_BACKOFF
    assert [shop.store.get("jwt-secret") for _ in range(3)] == ["two"] * 3
    assert shop.outcomes() == ["miss", "stale", "miss", "hit", "hit"]
    info = shop.store.get_info("jwt-secret")
    assert info is not None
    assert not info.stale


@pytest.mark.parametrize("kind", OUTAGE)
def test_waiting_threads_share_the_error(
    arrivals: threading.Semaphore, kind: type[StrongroomError]
) -> None:
    class Failing(Script):
        def fetch(self, name: str, *arguments: object) -> FetchedSecret:
            assert all_waiting(arrivals)
            return super().fetch(name, *arguments)

    source = Failing(kind("unavailable"))
    shop = Shop(source)
    errors = run_concurrently(lambda: shop.store.get("jwt-secret"))
    assert source.calls == 1
    assert len(errors) == THREADS
    assert {type(error) for error in errors} == {kind}
    assert shop.outcomes() == [kind.__name__] * THREADS


@pytest.mark.parametrize("force", [False, True])
def test_concurrent_threads_share_one_request(arrivals: threading.Semaphore, force: bool) -> None:
    class Counted(Script):
        def fetch(self, name: str, *arguments: object) -> FetchedSecret:
            assert all_waiting(arrivals)
            return super().fetch(name, *arguments)

    source = Counted("one")
    shop = Shop(source)
    values = run_concurrently(lambda: shop.store.get("jwt-secret", force_refresh=force))
    assert values == ["one"] * THREADS
    assert source.calls == 1


def test_interrupt_of_one_thread_is_not_raised_in_the_others(arrivals: threading.Semaphore) -> None:
    flights: SingleFlight[str] = SingleFlight()
    interrupted: list[BaseException] = []

    def interrupt() -> str:
        assert all_waiting(arrivals)
        raise KeyboardInterrupt

    def work() -> str | None:
        try:
            return flights.do("name", interrupt)
        except KeyboardInterrupt as error:
            interrupted.append(error)
            return None

    results = run_concurrently(work)
    assert len(interrupted) == 1
    assert [type(result) for result in results if result] == [DeadlineExceeded] * (THREADS - 1)
    assert flights.do("name", lambda: "done") == "done"


@pytest.mark.parametrize("interrupt", [TimeoutError, KeyboardInterrupt])
def test_interrupt_as_a_call_ends_leaves_no_thread_waiting(
    interrupt: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    flights: SingleFlight[str] = SingleFlight()
    futures: list[Future[str]] = []

    def call() -> str:
        futures.extend(flights._calls.values())
        return "done"

    def end_and_interrupt(*arguments: Any) -> None:
        monkeypatch.undo()
        flights._finish(*arguments)
        raise interrupt

    monkeypatch.setattr(flights, "_finish", end_and_interrupt)
    with pytest.raises((DeadlineExceeded, KeyboardInterrupt)):
        flights.do("name", call)
    assert isinstance(futures[0].exception(timeout=0), DeadlineExceeded)
    assert flights.do("name", call) == "done"


def test_interrupt_after_a_call_is_raised() -> None:
    flights: SingleFlight[str] = SingleFlight()

    def spawn(run: Callable[[], None]) -> None:
        run()
        raise TimeoutError

    with pytest.raises(TimeoutError):
        flights.join("name", lambda: "done", spawn)
    assert flights.do("name", lambda: "again") == "again"


def test_call_that_needs_its_own_result_gets_an_error() -> None:
    flights: SingleFlight[str] = SingleFlight()
    for _ in range(2):
        with pytest.raises(DeadlineExceeded, match="this thread already waits for the same"):
            flights.do("name", lambda: flights.do("name", lambda: "never"))
    assert flights.do("name", lambda: flights.do("other", lambda: "done")) == "done"


def test_signal_handler_and_log_handler_within_a_fetch_do_not_wait_for_it() -> None:
    errors: list[StrongroomError] = []

    class Interrupted(Script):
        """Source whose requests are interrupted by a handler that reads the same secret."""

        def fetch(self, name: str, *arguments: object) -> FetchedSecret:
            try:
                shop.store.get(name)
            except DeadlineExceeded as error:
                errors.append(error)
            return super().fetch(name, *arguments)

    shop = Shop(Interrupted("one"))
    assert shop.store.get("jwt-secret") == "one"
    assert len(errors) == 1
    assert "fetch_threads" not in str(errors[0])


def test_access_record_of_a_stale_value_contains_its_version_and_no_request() -> None:
    shop, _ = shop_with_stale_value()
    shop.store.get("jwt-secret")
    record = json.loads(shop.lines[-1])
    assert (record["outcome"], record["version"], record["source"]) == ("stale", 1, "vault")
    assert "request_id" not in record


def with_thread(shop: Shop) -> Callable[[], float]:
    """Let *shop* believe that it has a background thread, and return what that would call."""
    for outage in shop.store.fetcher._chain._outages:
        outage.has_thread = True
    return shop.store.fetcher.refresher.refresh_due


class Server(Script):
    """Source of any name that can be broken, and counts its requests by name."""

    def __init__(self) -> None:
        super().__init__("one")
        self.error: StrongroomError | None = None
        self.error_of: dict[str, StrongroomError] = {}
        self.requests: list[str] = []

    def fetch(self, name: str, *arguments: object) -> FetchedSecret:
        self.requests.append(name)
        if error := self.error or self.error_of.get(name):
            raise error
        return super().fetch(name, *arguments)


def shop_in_an_outage(*further: Script) -> tuple[Shop, Server, Callable[[], float]]:
    """Return a store with stale values, one refresh of which has failed; the next is at hand."""
    server = Server()
    shop = Shop(server, *further, jitter=lambda: 0.0, development=False)
    refresh_due = with_thread(shop)
    for name in ("a", "b"):
        shop.store.get(name)
    server.error = Unreachable("no connection")
    shop.clock.now += LIMITS.cache_ttl - BACKOFF_MIN / 2
    refresh_due()
    shop.clock.now += BACKOFF_MIN - 0.001
    server.requests.clear()
    return shop, server, refresh_due


def test_no_caller_sends_a_request_after_one_refresh_has_failed() -> None:
    shop, server, refresh_due = shop_in_an_outage()
    for _ in range(10):
        shop.clock.now += refresh_due()
        refresh_due()
        server.requests.clear()
        assert [shop.store.get(name) for name in ("a", "b")] == ["one", "one"]
        for name in ("c", "d"):
            with pytest.raises(Unreachable, match=f"^{name} was not requested.*: no connection$"):
                shop.store.get(name, default="unused")
        with pytest.raises(Unreachable):
            shop.store.require(["c", "d"])
        assert server.requests == []


def test_name_without_a_value_is_what_the_next_attempt_requests() -> None:
    shop, server, refresh_due = shop_in_an_outage()
    shop.store.fetcher.cache.clear()
    with pytest.raises(Unreachable):
        shop.store.get("c")
    assert refresh_due() == pytest.approx(0.001)
    assert server.requests == []
    shop.clock.now += 0.001
    server.error = None
    refresh_due()
    assert server.requests == ["c", "a"]  # the latter failed before
    assert shop.store.get("c") == "one"


def test_values_past_the_stale_limit_are_errors_without_a_request() -> None:
    shop, server, refresh_due = shop_in_an_outage()
    while shop.clock.now < 1000.0 + LIMITS.stale_limit:
        shop.clock.now += OUTAGE_BACKOFF
        refresh_due()
        with suppress(Unreachable):
            shop.store.get("a")
    server.requests.clear()
    for _ in range(3):
        with pytest.raises(Unreachable):
            shop.store.get("a")
    assert server.requests == []


def test_no_caller_waits_for_the_attempt_under_way() -> None:
    shop, _, refresh_due = shop_in_an_outage()
    started, finish = threading.Event(), threading.Event()

    class Hanging(Server):
        def fetch(self, name: str, *arguments: object) -> FetchedSecret:
            started.set()
            assert finish.wait(20)
            return super().fetch(name, *arguments)

    shop.store.fetcher._chain._sources = [Hanging()]
    shop.clock.now += 0.001
    attempt = threading.Thread(target=refresh_due)
    attempt.start()
    assert started.wait(20)
    shop.clock.now += LIMITS.deadline
    assert [shop.store.get(name) for name in ("a", "b")] == ["one", "one"]
    with pytest.raises(Unreachable):
        shop.store.get("c")
    finish.set()
    attempt.join()


def test_first_answer_ends_the_outage_for_every_name() -> None:
    shop, server, _ = shop_in_an_outage()
    server.error = None
    assert shop.store.get("a") == "one"
    assert server.requests == []
    shop.store.get("c", force_refresh=True)
    shop.store.get("b")
    assert server.requests == ["c", "b"]


def test_denial_by_an_attempt_drops_the_value_and_ends_the_outage() -> None:
    shop, server, refresh_due = shop_in_an_outage()
    server.error = AccessDenied("no")
    shop.clock.now += 0.001
    refresh_due()
    for name in ("a", "b"):
        with pytest.raises(AccessDenied):
            shop.store.get(name)
    assert shop.store.get_info("a") is None


def test_attempts_become_rarer_and_are_spread() -> None:
    counts = []
    for jitter in (0.0, 0.999):
        server = Server()
        shop = Shop(server, jitter=lambda jitter=jitter: jitter, development=False)
        refresh_due = with_thread(shop)
        shop.store.get("a")
        server.error, end = Unreachable("no connection"), shop.clock.now + LIMITS.stale_limit
        while shop.clock.now < end:
            with suppress(Unreachable):
                shop.store.get("a")
            shop.clock.now += refresh_due()
        counts.append(len(server.requests))
    rarest = LIMITS.stale_limit / OUTAGE_BACKOFF
    assert counts[1] == pytest.approx(rarest, rel=0.1)
    assert counts[0] == pytest.approx(2 * rarest, rel=0.1)


def test_name_that_alone_fails_does_not_keep_the_others_from_being_refreshed() -> None:
    class Partial(Server):
        def fetch(self, name: str, *arguments: object) -> FetchedSecret:
            self.error = DeadlineExceeded("slow") if name == "a" and self.calls > 1 else None
            return super().fetch(name, *arguments)

    server = Partial()
    shop = Shop(server, jitter=lambda: 0.0, development=False)
    refresh_due = with_thread(shop)
    for name in ("a", "b"):
        shop.store.get(name)
    shop.clock.now += LIMITS.cache_ttl / 2
    for _ in range(2):
        shop.clock.now += refresh_due()
    assert server.requests == ["a", "b", "a", "b", "a"]
    assert shop.store.get("b") == "one"
    assert shop.outcomes()[-1] == "hit"


def test_further_source_answers_without_waiting_for_the_first() -> None:
    file = Script("delivered", name="rendered")
    shop, server, refresh_due = shop_in_an_outage(file)
    assert shop.store.get("c") == "delivered"
    assert server.requests == []
    shop.clock.now += 0.001
    server.error = None
    refresh_due()
    assert sorted(server.requests) == ["a", "b", "c"]
    assert shop.store.get("c") == "one"


def test_forked_child_knows_of_the_outage() -> None:
    shop, server, _ = shop_in_an_outage()
    shop.store.fetcher.reset_after_fork()
    assert shop.store.get("a") == "one"
    assert shop.outcomes()[-1] == "stale"
    assert server.requests == []


def shop_with_bad_names(
    error: StrongroomError, *bad: str, cached: bool
) -> tuple[Shop, Server, Callable[[], float]]:
    """Return a store in whose server the *bad* names fail from now on."""
    server = Server()
    shop = Shop(server, jitter=lambda: 0.0, development=False)
    refresh_due = with_thread(shop)
    for name in bad if cached else ():
        shop.store.get(name)
    server.error_of = dict.fromkeys(bad, error)
    shop.clock.now += LIMITS.cache_ttl / 2
    return shop, server, refresh_due


def read_uncached(shop: Shop, refresh_due: Callable[[], float], *bad: str) -> int:
    """Read a new name each 3 s beside the *bad* ones, and return how many failed."""
    failed = 0
    for number in range(READS):
        refresh_due()
        for name in bad * 10:
            with suppress(StrongroomError):
                shop.store.get(name)
        try:
            shop.store.get(f"n{number}")
        except StrongroomError:
            failed += 1
        shop.clock.now += 3.0
    return failed


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("error", [ServerFault("500"), RateLimited("429")], ids=str)
def test_name_that_the_server_fails_for_ever_fails_no_other_name(
    error: StrongroomError, cached: bool
) -> None:
    shop, server, refresh_due = shop_with_bad_names(error, "x", cached=cached)
    assert read_uncached(shop, refresh_due, "x") == 0
    # A cached value is tried again after half the longest pause, and without one each call tries.
    seconds = READS * 3.0
    rarest = seconds / (OUTAGE_BACKOFF / 2) if cached else READS
    assert server.requests.count("x") <= rarest + 1


@pytest.mark.parametrize("kind", ["asyncio", "forced", "forked"])
def test_name_that_fails_for_ever_fails_no_other_name_however_it_is_read(kind: str) -> None:
    shop, _, refresh_due = shop_with_bad_names(ServerFault("500"), "x", cached=True)
    secrets = AsyncSecretStore(shop.store)
    for number in range(READS):
        refresh_due()
        if kind == "forked":
            shop.store.fetcher.reset_after_fork()
        with suppress(ServerFault):
            shop.store.get("x", force_refresh=kind == "forced")
        name = f"n{number}"
        value = asyncio.run(secrets.get(name)) if kind == "asyncio" else shop.store.get(name)
        assert value == "one"
        shop.clock.now += 3.0
    secrets.close()


@pytest.mark.parametrize("error", [ServerFault("500"), DeadlineExceeded("slow")], ids=str)
@pytest.mark.parametrize("cached", [True, False])
def test_several_names_that_fail_for_ever_fail_few_others(
    error: StrongroomError, cached: bool
) -> None:
    bad = "v", "w", "x", "y"
    shop, _, refresh_due = shop_with_bad_names(error, *bad, cached=cached)
    assert read_uncached(shop, refresh_due, *bad) <= 2 * len(bad)  # until each is known to be alone


def test_callers_get_the_error_of_a_name_that_fails_alone_without_a_request_for_a_second() -> None:
    shop, server, _ = shop_with_bad_names(ServerFault("500"), "x", cached=False)
    for _ in range(5):
        with pytest.raises(ServerFault, match=r"^500$"):
            shop.store.get("x", default="unused")
    assert server.requests == ["x"]
    server.error_of.clear()
    shop.clock.now += BACKOFF_MIN
    assert shop.store.get("x") == "one"


def test_second_name_makes_a_fault_an_outage_and_any_answer_ends_it() -> None:
    shop, server, refresh_due = shop_with_bad_names(ServerFault("500"), "x", "y", cached=False)
    for name in ("x", "y"):
        with pytest.raises(ServerFault):
            shop.store.get(name)
    with pytest.raises(ServerFault, match=r"^z was not requested"):
        shop.store.get("z")
    assert server.requests == ["x", "y"]
    shop.clock.now += BACKOFF_MIN
    refresh_due()
    assert server.requests[2] == "z"
    assert shop.store.get("z") == "one"
    assert shop.store.get("other") == "one"


def test_name_that_a_caller_wants_is_requested_first_and_one_that_failed_last() -> None:
    shop, server, refresh_due = shop_in_an_outage()
    for name in ("c", "d"):
        with pytest.raises(Unreachable):
            shop.store.get(name)
    for _ in range(5):
        shop.clock.now += refresh_due()
    assert server.requests[:4] == ["c", "d", "b", "a"]


def test_names_that_time_out_do_not_keep_another_from_being_requested() -> None:
    shop, server, refresh_due = shop_in_an_outage()
    server.error_of = dict.fromkeys(("c", "d"), DeadlineExceeded("slow"))
    server.error = None
    for _ in range(4):
        for name in ("c", "d"):
            with suppress(StrongroomError):
                shop.store.get(name)
        shop.clock.now += refresh_due()
    for name in ("a", "b"):
        info = shop.store.get_info(name)
        assert info is not None
        assert not info.stale
    assert shop.store.get("other") == "one"


def test_names_to_request_after_an_outage_are_bounded_and_the_last_ones_stay() -> None:
    shop, server, refresh_due = shop_in_an_outage()
    for number in range(1000):
        with pytest.raises(Unreachable):
            shop.store.get(f"n{number}")
    server.error = None
    shop.clock.now += 0.001
    refresh_due()
    assert "n999" in server.requests
    assert len(server.requests) < 1000


def test_error_without_a_request_does_not_end_an_outage() -> None:
    shop, server, _ = shop_in_an_outage()
    server.error = ConfigurationError("a KV version has a number")
    with pytest.raises(ConfigurationError):
        shop.store.get("c", version="AWSPENDING", force_refresh=True)
    server.requests.clear()
    with pytest.raises(Unreachable, match="was not requested"):
        shop.store.get("d")
    assert server.requests == []


def test_retries_are_left_out_for_a_name_that_failed() -> None:
    is_single: list[bool] = []

    class Watched(Server):
        def fetch(self, name: str, *arguments: object) -> FetchedSecret:
            is_single.append(retry._sends_once.get())
            return super().fetch(name, *arguments)

    server = Watched()
    shop = Shop(server, jitter=lambda: 0.0, development=False)
    server.error_of = {"x": ServerFault("500")}
    for force in (False, False, True):
        with pytest.raises(ServerFault):
            shop.store.get("x", force_refresh=force)
        shop.clock.now += BACKOFF_MIN
    server.error_of.clear()
    for _ in range(2):
        shop.store.get("x")
        shop.clock.now += LIMITS.cache_ttl
    assert is_single == [False, True, False, True, False]
