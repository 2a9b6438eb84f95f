"""Tests of callbacks on changes."""

from __future__ import annotations

import json
import os
import queue
import threading

import pytest

from app_integration.errors import SecretDeleted, Unreachable
from app_integration.observability import redaction
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from app_integration.secret_store.cache_entry import current
from app_integration.secret_store.store import SecretStore
from app_integration.sources.outage import OUTAGE_BACKOFF
from tests.unit.secret_store.test_store import LIMITS, SCOPE, Script, Shop

PATIENCE = 20.0  # seconds for a thread to do its work


class Inbox:
    """Callback that keeps the values it receives."""

    def __init__(self) -> None:
        self.values: queue.Queue[Secret] = queue.Queue()
        self.threads: set[str] = set()

    def __call__(self, value: Secret) -> None:
        self.threads.add(threading.current_thread().name)
        self.values.put(value)

    def next(self) -> str:
        return self.values.get(timeout=PATIENCE)


def test_callback_receives_a_new_value_in_its_own_thread() -> None:
    shop, inbox = Shop(Script("one", "two"), jitter=lambda: 0.0), Inbox()
    shop.store.get("jwt-secret")
    shop.store.on_change("jwt-secret", inbox)
    shop.clock.now += LIMITS.cache_ttl / 2
    shop.store.fetcher.refresher.refresh_due()
    assert inbox.next() == "two"
    assert inbox.threads == {"strongroom-callbacks"}


def test_watched_name_is_refreshed_without_readers() -> None:
    source = Script("one", "one", "two", "two")
    shop, inbox = Shop(source, jitter=lambda: 0.0), Inbox()
    shop.store.on_change("jwt-secret", inbox)
    for _ in range(4):
        shop.store.fetcher.refresher.refresh_due()
        shop.clock.now += LIMITS.cache_ttl / 2
    assert source.calls == 4
    assert inbox.next() == "two"
    assert inbox.values.empty()


def test_watched_name_without_a_value_is_requested_once_per_backoff() -> None:
    source = Script(Unreachable("unavailable"), Unreachable("unavailable"), "one", "two")
    shop, inbox = Shop(source, jitter=lambda: 0.0), Inbox()
    shop.store.on_change("jwt-secret", inbox)
    for _ in range(10):
        assert shop.store.fetcher.refresher.refresh_due() <= OUTAGE_BACKOFF
    assert source.calls == 1
    for _ in range(3):
        shop.clock.now += LIMITS.cache_ttl / 2
        shop.store.fetcher.refresher.refresh_due()
    assert inbox.next() == "two"


def test_callback_is_called_for_a_value_that_returns_changed() -> None:
    shop, inbox = Shop(Script("one", SecretDeleted("x"), "one", SecretDeleted("x"), "two")), Inbox()
    shop.store.get("jwt-secret")
    shop.store.on_change("jwt-secret", inbox)
    for _ in range(4):
        shop.store.get("jwt-secret", force_refresh=True, default=None)
    assert inbox.next() == "two"


def test_failing_callback_is_logged_without_the_value_and_others_are_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(value: Secret) -> None:
        raise ValueError(value + " is bad")

    shop, inbox = Shop(Script("one", "hunter2-hunter2")), Inbox()
    shop.store.get("jwt-secret")
    shop.store.on_change("jwt-secret", broken)
    shop.store.on_change("jwt-secret", inbox)
    shop.store.get("jwt-secret", force_refresh=True)
    assert inbox.next() == "hunter2-hunter2"
    assert "a callback on jwt-secret failed: ValueError" in caplog.text
    assert "hunter2" not in caplog.text


def test_cancelled_callback_is_not_called_again() -> None:
    shop, inbox, other = Shop(Script("one", "two", "three")), Inbox(), Inbox()
    shop.store.get("jwt-secret")
    watch = shop.store.on_change("jwt-secret", inbox)
    shop.store.on_change("jwt-secret", other)
    shop.store.get("jwt-secret", force_refresh=True)
    assert (inbox.next(), other.next()) == ("two", "two")
    watch.cancel()
    watch.cancel()
    shop.store.get("jwt-secret", force_refresh=True)
    assert other.next() == "three"
    assert inbox.values.empty()
    assert shop.store.fetcher.watchers.names == {"jwt-secret"}


def test_callback_may_cancel_and_read() -> None:
    shop, received = Shop(Script("one", "two")), queue.Queue[str]()
    shop.store.get("jwt-secret")

    def once(_value: Secret) -> None:
        watch.cancel()
        received.put(shop.store.get("jwt-secret"))

    watch = shop.store.on_change("jwt-secret", once)
    shop.store.get("jwt-secret", force_refresh=True)
    assert received.get(timeout=PATIENCE) == "two"
    assert shop.store.fetcher.watchers.names == frozenset()


def test_slow_callback_blocks_no_reader_and_receives_the_last_value() -> None:
    release, inbox = threading.Event(), Inbox()

    def slow(value: Secret) -> None:
        inbox(value)
        release.wait(PATIENCE)

    shop = Shop(Script("one", "two", "three", "four"))
    shop.store.get("jwt-secret")
    shop.store.on_change("jwt-secret", slow)
    shop.store.get("jwt-secret", force_refresh=True)
    assert inbox.next() == "two"
    for expected in ("three", "four"):
        assert shop.store.get("jwt-secret", force_refresh=True) == expected
    release.set()
    assert inbox.next() == "four"
    assert inbox.values.empty()


def test_change_is_recorded_before_the_callback() -> None:
    shop, records = Shop(Script("one", "two")), queue.Queue[list[str]]()
    shop.store.get("jwt-secret")
    shop.store.on_change("jwt-secret", lambda _value: records.put(list(shop.lines)))
    shop.store.fetcher.fetch_future(current("jwt-secret"), force=True).result()
    record = json.loads(records.get(timeout=PATIENCE)[-1])
    assert (record["secret"], record["outcome"], record["version"]) == ("jwt-secret", "change", 2)


def test_callback_is_not_called_if_the_record_cannot_be_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    attempted, inbox = threading.Event(), Inbox()

    def full(_line: str) -> None:
        attempted.set()
        raise OSError(28, "No space left on device")

    audit = AuditLog(SCOPE, full)
    store = SecretStore([Script("one", "two")], audit, registry=redaction.SecretRegistry())
    store.fetcher.fetch_future(current("jwt-secret"), force=True).result()
    store.on_change("jwt-secret", inbox)
    store.fetcher.fetch_future(current("jwt-secret"), force=True).result()
    assert attempted.wait(PATIENCE)
    thread = store.fetcher.watchers._worker._thread
    assert thread is not None
    store.close()
    thread.join(PATIENCE)
    assert inbox.values.empty()
    assert "a callback on jwt-secret failed: AuditFailed" in caplog.text


def test_watched_names_are_refreshed_in_a_forked_child_before_its_first_request() -> None:
    audit = AuditLog(SCOPE, lambda _line: None)
    store = SecretStore([Script("one")], audit, registry=redaction.SecretRegistry())
    store.on_change("jwt-secret", print)
    if (child := os.fork()) == 0:
        os._exit(0 if store.fetcher.refresher.worker.is_running else 1)
    store.close()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
