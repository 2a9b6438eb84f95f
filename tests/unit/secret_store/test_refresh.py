"""Tests of the background refresh of secrets that are in use."""

from __future__ import annotations

import gc
import logging
import threading
from functools import partial
from typing import Any

import pytest

from app_integration._internal.backoff import BACKOFF_MIN
from app_integration.errors import (
    AccessDenied,
    Sealed,
    SecretDeleted,
    SecretNotFound,
    ServerFault,
    StrongroomError,
    UnexpectedAnswer,
    Unreachable,
)
from app_integration.observability import redaction
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from app_integration.secret_store import cache_entry, cache_refresher
from app_integration.secret_store.cache_entry import current
from app_integration.secret_store.store import SecretStore
from app_integration.settings import Limits
from app_integration.sources import FetchedSecret
from app_integration.sources.outage import OUTAGE_BACKOFF
from tests.unit.secret_store.test_store import LIMITS, SCOPE, Script, Shop

TTL = LIMITS.cache_ttl


def shop_with_jitter(
    jitter: float, *answers: str | StrongroomError, **options: Any
) -> tuple[Shop, Script]:
    """Return a store with a fixed random number, and its source.

    *jitter* places each refresh in the second half of the TTL: 0 at its begin, 1 at its end.
    """
    source = Script(*answers)
    return Shop(source, jitter=lambda: jitter, **options), source


def kind(value: object) -> str:
    return type(value).__name__ if isinstance(value, Exception) else str(value)


@pytest.mark.parametrize(("jitter", "moment"), [(0.0, TTL / 2), (0.5, 220.0), (1.0, TTL - 10.0)])
def test_refresh_runs_at_a_random_time_in_the_second_half_of_the_ttl(
    jitter: float, moment: float
) -> None:
    shop, source = shop_with_jitter(jitter, "one", "two")
    shop.store.get("jwt-secret")
    shop.clock.now += moment - 0.001
    assert shop.store.fetcher.refresher.refresh_due() == pytest.approx(0.001)
    assert source.calls == 1
    shop.clock.now += 0.001
    shop.store.fetcher.refresher.refresh_due()
    assert source.calls == 2
    assert shop.store.get("jwt-secret") == "two"
    assert shop.outcomes() == ["miss", "hit"]


def test_secret_that_is_due_after_the_next_round_starts_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise a cache of n secrets would be filled in n rounds over all of them."""
    shop, _ = shop_with_jitter(0.0, "one", ttls={"soon": TTL / 10})
    refresher = shop.store.fetcher.refresher
    wakes: list[str] = []
    monkeypatch.setattr(refresher.worker, "wake", lambda: wakes.append("wake"))
    for name in ("first", "second"):
        shop.store.get(name)
    assert wakes == ["wake"]
    refresher.refresh_due()
    for name in ("third", "soon", "fourth"):
        shop.store.get(name)
    assert wakes == ["wake", "wake"]
    assert refresher.refresh_due() == pytest.approx(TTL / 20)


def test_secret_that_is_cached_at_the_end_of_a_round_shortens_the_time_until_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, _ = shop_with_jitter(0.0, "one", ttls={"soon": TTL / 10})
    shop.store.get("jwt-secret")

    def next_refresh(*args: Any) -> float:
        found = cache_entry.next_refresh(*args)
        shop.store.get("soon")
        return found

    monkeypatch.setattr(cache_refresher, "next_refresh", next_refresh)
    assert shop.store.fetcher.refresher.refresh_due() == pytest.approx(TTL / 20)


def test_value_that_is_read_is_refreshed_and_an_unread_one_expires() -> None:
    shop, source = shop_with_jitter(0.0, "one")
    for name in ("a", "b"):
        shop.store.get(name)
    for _ in range(10):
        shop.store.get("a")
        shop.clock.now += TTL / 2
        shop.store.fetcher.refresher.refresh_due()
    # A read causes one more refresh: "b" was refreshed once after its only read.
    assert source.calls == 2 + 10 + 1
    assert shop.outcomes() == ["miss", "miss", *["hit"] * 10]


def test_refresh_during_an_outage_saves_every_caller_the_wait() -> None:
    shop, source = shop_with_jitter(0.0, "one", "one", Unreachable("unavailable"))
    for name in ("a", "b"):
        shop.store.get(name)
    shop.clock.now += TTL / 2
    pause = shop.store.fetcher.refresher.refresh_due()
    assert source.calls == 3  # no attempt for the second
    assert pause == BACKOFF_MIN
    shop.clock.now += TTL / 2
    shop.store.fetcher.refresher.refresh_due()
    calls = source.calls
    assert [shop.store.get(name) for name in ("a", "b")] == ["one", "one"]
    assert source.calls == calls
    assert shop.outcomes()[2:] == ["stale", "stale"]


@pytest.mark.parametrize(
    ("error", "requests"),
    [(UnexpectedAnswer("no data"), 2), (ServerFault("500"), 2), (Unreachable("x"), 1)],
    ids=kind,
)
def test_refresh_after_the_failure_of_one_path_goes_on_with_the_other_secrets(
    error: StrongroomError, requests: int
) -> None:
    shop, source = shop_with_jitter(0.0, "one", "one", error)
    for name in ("a", "b"):
        shop.store.get(name)
    shop.clock.now += TTL / 2
    shop.store.fetcher.refresher.refresh_due()
    assert source.calls == 2 + requests
    assert [shop.store.get(name) for name in ("a", "b")] == ["one", "one"]


@pytest.mark.parametrize(
    ("error", "requests"),
    [(UnexpectedAnswer("no data"), 2), (ServerFault("500"), 2), (Unreachable("x"), 1)],
    ids=kind,
)
def test_refresh_of_watched_names_without_a_value_stops_at_an_outage_alone(
    error: StrongroomError, requests: int
) -> None:
    shop, source = shop_with_jitter(0.0, error)
    for name in ("a", "b"):
        shop.store.on_change(name, lambda _: None)
    shop.store.fetcher.refresher.refresh_due()
    assert source.calls == requests


def test_stale_and_fresh_again_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shop, _ = shop_with_jitter(0.0, "one", *[Sealed("unavailable")] * 5, "two")
    shop.store.get("jwt-secret")
    shop.clock.now += TTL
    for _ in range(5):
        for _ in range(100):
            shop.store.get("jwt-secret")
        shop.clock.now += OUTAGE_BACKOFF
    assert shop.store.get("jwt-secret") == "two"
    shop.store.get("jwt-secret")
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "jwt-secret is served stale, 300 s old: the server is unavailable",
        "jwt-secret is fresh again",
    ]


@pytest.mark.parametrize("answer", [AccessDenied("x"), SecretDeleted("x"), SecretNotFound("x")])
def test_value_that_a_refresh_finds_denied_or_deleted_is_dropped(
    answer: StrongroomError, caplog: pytest.LogCaptureFixture
) -> None:
    shop, source = shop_with_jitter(0.0, "one", answer)
    shop.store.get("jwt-secret")
    shop.clock.now += TTL / 2
    shop.store.fetcher.refresher.refresh_due()
    with pytest.raises(type(answer)):
        shop.store.get("jwt-secret")
    assert source.calls == 2
    assert caplog.text.count("jwt-secret is no longer served") == 1


class Expiring(Script):
    """Source of values that expire after a minute."""

    def fetch(self, name: str, *arguments: object) -> FetchedSecret:
        found = super().fetch(name, *arguments)
        return FetchedSecret(found.value, found.source, found.version, expires_in=60.0)


def test_value_that_expires_is_never_served_afterwards() -> None:
    source = Expiring("one", Unreachable("unavailable"))
    shop = Shop(source)
    shop.store.get("database-password")
    shop.clock.now += 59.9
    assert shop.store.get("database-password") == "one"
    shop.clock.now += 0.1
    with pytest.raises(Unreachable):
        shop.store.get("database-password")
    assert shop.store.get_info("database-password") is None


def test_secret_with_its_own_ttl_is_requested_after_it() -> None:
    source = Script("one")
    shop = Shop(source, ttls={"jwt-secret": 10.0})
    for name in ("jwt-secret", "smtp-password"):
        shop.store.get(name)
    shop.clock.now += 10
    for name in ("jwt-secret", "smtp-password"):
        shop.store.get(name)
    assert source.calls == 3


def test_name_without_a_value_is_not_requested_again_for_its_negative_ttl() -> None:
    source = Script(SecretNotFound("x"), "one")
    shop = Shop(source)
    for _ in range(50):
        assert shop.store.get("jwt-secret", default=None) is None
    assert source.calls == 1
    shop.clock.now += LIMITS.negative_ttl
    assert shop.store.get("jwt-secret") == "one"


def test_force_refresh_requests_a_name_with_a_negative_entry() -> None:
    shop = Shop(Script(SecretNotFound("x"), "one"))
    shop.store.get("jwt-secret", default=None)
    assert shop.store.get("jwt-secret", force_refresh=True) == "one"
    assert shop.store.get("jwt-secret") == "one"


def test_value_that_is_read_stays_when_the_cache_is_full() -> None:
    source = Script("one")
    shop = Shop(source)  # room for three
    shop.store.get("often")
    for number in range(20):
        shop.store.get(f"n{number}")
        shop.store.get("often")
    assert source.calls == 21


class Slow(Script):
    """Source whose response "old" arrives only when *finish* is set."""

    def __init__(self, *answers: str | StrongroomError) -> None:
        super().__init__(*answers)
        self.started, self.finish = threading.Event(), threading.Event()

    def fetch(self, name: str, *arguments: object) -> FetchedSecret:
        found = super().fetch(name, *arguments)
        if found.value == "old":
            self.started.set()
            self.finish.wait(20)
        return found


def test_slow_response_does_not_replace_a_later_one() -> None:
    source = Slow("old", "new")
    shop = Shop(source)
    slow = threading.Thread(target=shop.store.get, args=("jwt-secret",))
    slow.start()
    assert source.started.wait(20)
    assert shop.store.get("jwt-secret", force_refresh=True) == "new"
    source.finish.set()
    slow.join()
    assert shop.store.get("jwt-secret") == "new"


@pytest.mark.parametrize("force", [False, True])
def test_call_that_joins_a_slow_request_gets_the_later_response(force: bool) -> None:
    source = Slow("old", "new")
    shop = Shop(source)
    fetch = partial(shop.store.fetcher.fetch_future, current("jwt-secret"), force=force)
    slow = threading.Thread(target=fetch)
    slow.start()
    assert source.started.wait(20)
    assert shop.store.get("jwt-secret", force_refresh=not force) == "new"
    shop.clock.now += TTL  # so that the cache alone answers no more
    joined = fetch()
    source.finish.set()
    slow.join()
    assert joined.result(20).entry.fetched.value == "new"


def test_call_that_joins_a_slow_request_gets_the_later_denial() -> None:
    source = Slow("old", AccessDenied("denied"))
    shop = Shop(source, development=False)
    fetch = partial(shop.store.fetcher.fetch_future, current("jwt-secret"), force=False)
    slow = threading.Thread(target=fetch)
    slow.start()
    assert source.started.wait(20)
    with pytest.raises(AccessDenied):
        shop.store.get("jwt-secret", force_refresh=True)
    shop.clock.now += LIMITS.negative_ttl  # so that the cache alone answers no more
    joined = fetch()
    source.finish.set()
    slow.join()
    with pytest.raises(AccessDenied):
        joined.result(20)


class Changing:
    """Source with a new value each time. It records the thread of each request."""

    is_authoritative = True

    def __init__(self, enough: int) -> None:
        self.threads: list[str] = []
        self.enough = threading.Event()
        self._count = enough

    def fetch(self, _name: str, *_: object) -> FetchedSecret:
        self.threads.append(threading.current_thread().name)
        if len(self.threads) >= self._count:
            self.enough.set()
        return FetchedSecret(Secret(f"value {len(self.threads)}"), "vault", len(self.threads))


def store_with_thread(source: Changing, **limits: Any) -> SecretStore:
    """Return a store with the real clock and a background thread."""
    audit = AuditLog(SCOPE, lambda _line: None)
    return SecretStore(
        [source], audit, limits=Limits(**limits), registry=redaction.SecretRegistry()
    )


def test_refresh_thread_starts_with_the_first_value_and_ends_with_the_store() -> None:
    source = Changing(enough=2)
    store = store_with_thread(source, cache_ttl=0.2)
    assert not store.fetcher.refresher.worker.is_running
    store.get("jwt-secret")
    assert source.enough.wait(10)
    assert source.threads[:2] == ["MainThread", "strongroom-refresh"]
    store.close()
    store.fetcher.refresher.worker._thread.join(10)  # type: ignore[union-attr] # it ran
    assert not store.fetcher.refresher.worker._thread.is_alive()  # type: ignore[union-attr] # as said
    assert store.get_info("jwt-secret") is None


def test_refresh_thread_is_a_daemon_and_ends_on_close() -> None:
    """A daemon thread does not keep the process alive."""
    store = store_with_thread(Changing(enough=1), cache_ttl=60.0)
    store.get("jwt-secret")
    thread = store.fetcher.refresher.worker._thread
    assert thread is not None
    assert thread.daemon
    store.close()
    thread.join(10)
    del store
    gc.collect()
    assert not thread.is_alive()


def test_response_after_close_is_not_cached(caplog: pytest.LogCaptureFixture) -> None:
    started, finish = threading.Event(), threading.Event()

    class Slow(Changing):
        def fetch(self, name: str, *arguments: object) -> FetchedSecret:
            started.set()
            finish.wait(10)
            return super().fetch(name, *arguments)

    store = store_with_thread(Slow(enough=1))
    thread = threading.Thread(target=store.get, args=("jwt-secret",))
    thread.start()
    assert started.wait(10)
    store.close()
    finish.set()
    thread.join()
    assert store.get_info("jwt-secret") is None
    assert store.fetcher.refresher.worker._thread is None
    assert caplog.text == ""


def test_unexpected_exception_does_not_end_the_refresh_thread(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Changing):
        def fetch(self, name: str, *arguments: object) -> FetchedSecret:
            found = super().fetch(name, *arguments)
            if len(self.threads) == 2:
                raise ZeroDivisionError("the text may hold a value")
            return found

    source = Broken(enough=2)
    store = store_with_thread(source, cache_ttl=0.2)
    store.get("jwt-secret")
    assert source.enough.wait(10)
    third = threading.Event()
    source.enough = third
    source._count = 3
    while not third.is_set():
        store.fetcher.refresher.worker.wake()
        third.wait(0.01)
    store.close()
    assert "ZeroDivisionError" in caplog.text
    assert "the text" not in caplog.text


def test_value_that_is_cached_after_an_unexpected_exception_wakes_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_key: object) -> bool:
        raise ZeroDivisionError

    shop, _ = shop_with_jitter(0.5, "one", "two")
    refresher, woken = shop.store.fetcher.refresher, list[str]()
    shop.store.get("jwt-secret")
    shop.clock.now += TTL
    monkeypatch.setattr(refresher, "_refresh", fail)
    with pytest.raises(ZeroDivisionError):
        refresher.refresh_due()
    monkeypatch.setattr(refresher.worker, "wake", lambda: woken.append("wake"))
    shop.store.get("jwt-secret", force_refresh=True)
    assert woken == ["wake"]
