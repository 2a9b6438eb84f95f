"""Outages of a real server: no call waits for it once a refresh has failed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.aws.connection import AwsConnection
from app_integration.errors import OUTAGE, ServerFault, StrongroomError
from app_integration.names import Environment, Scope
from app_integration.observability import redaction
from app_integration.observability.audit_log import AuditLog
from app_integration.secret import Secret
from app_integration.secret_store.async_store import AsyncSecretStore
from app_integration.secret_store.cache_entry import FAILED_RETRY
from app_integration.secret_store.store import SecretStore
from app_integration.session.session import Session
from app_integration.settings import Limits
from app_integration.sources import FetchedSecret, Source
from app_integration.sources.aws import AwsSource
from app_integration.sources.vault import VaultSource
from app_integration.transport.request import Request, Response
from tests.support.polling import wait_until
from tests.support.processes.pause import pause, resume
from tests.support.servers.audited_server import ROOT_TOKEN, AuditedServer, audited_server
from tests.support.servers.aws_fault_server import Fault
from tests.support.servers.moto_server import REGION, set_identity
from tests.support.servers.secret_backends import AwsSite, CountingSender

SCOPE: Final = Scope("outages", Environment.PROD)
NAMES: Final = ("jwt-secret", "smtp-password", "redis-url")
FAULTY: Final = NAMES[0]
NEVER_READ: Final = "never-read"
LIMITS: Final = Limits(deadline=1.5, retry_window=1.5, connect_timeout=1.0, cache_ttl=6.0)
THREADS: Final = 8
#: A call that waits for the server takes a whole deadline, and any other one a small share of it.
LONG: Final = LIMITS.deadline * 0.75
FAILURES: Final = 3  # of the server: the one that is noticed, and two of later attempts


def watched(source: type[Any]) -> type[Any]:
    """Return the class *source* with the times at which its requests failed as outages."""

    class Watched(source):  # type: ignore[misc] # any source
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.failed_at: list[float] = []

        def fetch(self, *arguments: Any) -> FetchedSecret:
            try:
                found: FetchedSecret = super().fetch(*arguments)
            except OUTAGE:
                self.failed_at.append(time.monotonic())
                raise
            return found

    return Watched


class FaultySender(CountingSender):
    """A sender that counts the reads of secrets, and fails those of :data:`FAULTY` when told."""

    is_failing = False
    faults = 0

    def exchange(self, request: Request, **options: Any) -> Response:
        if self.is_failing and request.path.endswith(FAULTY):
            self.faults += 1
            raise ServerFault(f"{request}: status 500")
        return super().exchange(request, **options)


@dataclass
class Site:
    """A server that can be broken, and a source that reads from it."""

    source: Any
    put: Callable[[str], object]
    break_down: Callable[[], object]
    come_back: Callable[[], object]
    count: Callable[[], int]
    senders: Sequence[FaultySender] = ()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@contextmanager
def vault_site(folder: Path, break_down: Callable[[int], object]) -> Iterator[Site]:
    """Yield a real server; *break_down* gets its process id."""
    senders: list[FaultySender] = []

    def count(sender: Any) -> FaultySender:
        senders.append(FaultySender(sender))
        return senders[-1]

    with ExitStack() as stack:
        server: AuditedServer = stack.enter_context(audited_server(folder))
        root = StaticToken(Secret(ROOT_TOKEN))
        session = stack.enter_context(
            Session(server.address, root, limits=LIMITS, wrap_sender=count)
        )
        yield Site(
            watched(VaultSource)(session, SCOPE),
            lambda name: server.root.post(
                f"secret/data/{SCOPE.secret(name)}", {"data": {"value": name}}
            ),
            lambda: break_down(server.pid),
            lambda: resume(server.pid),
            lambda: sum(sender.reads for sender in senders),
            senders,
        )


def aws_site_that_hangs(site: AwsSite) -> Site:
    """Return Secrets Manager, whose responses stop after their headers."""
    hangs = {each: [Fault(interval=60.0)] for each in ("GetSecretValue", "BatchGetSecretValue")}
    connection = AwsConnection(REGION, development=True, endpoint=site.proxy.url, limits=LIMITS)
    site.proxy.forget()
    return Site(
        watched(AwsSource)(connection, SCOPE),
        lambda name: site.operator.create_secret(Name=SCOPE.secret(name), SecretString=name),
        lambda: site.proxy.faults.update(hangs),
        site.proxy.faults.clear,
        lambda: len(site.proxy.operations),
    )


@pytest.fixture(params=["paused", "killed", "hangs on aws"])
def site(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    if request.param == "hangs on aws":
        set_identity(monkeypatch)
        yield aws_site_that_hangs(request.getfixturevalue("aws_site"))
        return
    break_down = pause if request.param == "paused" else kill
    with vault_site(tmp_path, break_down) as opened:
        yield opened


@dataclass
class Calls:
    """Calls of an application's threads, and how each ended."""

    source: Any
    timed: list[tuple[float, float, object]] = field(default_factory=list)
    records: list[tuple[str, bool]] = field(default_factory=list)

    def record(self, line: str) -> None:
        self.records.append((json.loads(line)["outcome"], bool(self.source.failed_at)))

    def time(self, call: Callable[[], object]) -> None:
        begun = time.monotonic()
        try:
            result: object = call()
        except StrongroomError as error:
            result = type(error)
        self.timed.append((begun, time.monotonic() - begun, result))

    def results_after_the_failure(self) -> list[object]:
        first = self.source.failed_at[0]
        return [result for begun, _, result in self.timed if begun > first]


@contextmanager
def reading(store: SecretStore, calls: Calls) -> Iterator[None]:
    """Run threads that read during the block, and names without a value after the first failure."""
    stop, secrets = threading.Event(), AsyncSecretStore(store)
    known: Sequence[Callable[[], object]] = [
        *(lambda name=name: store.get(name) for name in NAMES),
        lambda: store.get(NAMES[0], default="unused"),
        lambda: asyncio.run(secrets.get(NAMES[1])),
        lambda: store.require(NAMES),
        lambda: store.current_and_previous(NAMES[2])[0],
    ]
    unknown: Sequence[Callable[[], object]] = [
        lambda: store.get(NEVER_READ, default="unused"),
        lambda: asyncio.run(secrets.get(NEVER_READ)),
        lambda: store.require([NEVER_READ, "another"]),
    ]

    def work(turn: int) -> None:
        while not stop.wait(0.02):
            turn += 1
            calls.time(known[turn % len(known)])
            if calls.source.failed_at:
                calls.time(unknown[turn % len(unknown)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        secrets.close()


def open_store(source: Source, calls: Calls) -> SecretStore:
    return SecretStore(
        [source],
        AuditLog(SCOPE, calls.record),
        scope=SCOPE,
        limits=LIMITS,
        registry=redaction.SecretRegistry(),
    )


def test_no_call_waits_for_the_server_after_one_refresh_has_failed(
    site: Site, request: pytest.FixtureRequest
) -> None:
    calls = Calls(site.source)
    store = open_store(site.source, calls)
    for name in NAMES:
        site.put(name)
        wait_until(partial(reads, store, name), "the server answers within its short deadline")
    site.source.failed_at.clear()
    site.break_down()
    with reading(store, calls):
        wait_until(lambda: site.source.failed_at, "a refresh fails")
        before = site.count()
        wait_until(lambda: ("stale", True) in calls.records, "a value is served stale")
        wait_until(lambda: len(site.source.failed_at) >= FAILURES, "the server is tried again")
        requests, failures = site.count() - before, len(site.source.failed_at)
        results = calls.results_after_the_failure()
        if "killed" not in request.node.name:
            site.come_back()
            wait_until(lambda: is_fresh(store), "the values are fresh again")
    assert [seconds for _, seconds, _ in calls.timed if seconds > LONG] == []
    assert requests <= failures
    assert {*OUTAGE} >= {result for result in results if isinstance(result, type)}
    assert {None, *NAMES} == {result for result in results if not isinstance(result, type)}
    assert ("stale", False) not in calls.records
    store.close()


def reads(store: SecretStore, name: str) -> bool:
    try:
        return store.current_and_previous(name)[0] == Secret(name)
    except OUTAGE:
        return False


def is_fresh(store: SecretStore) -> bool:
    return all((info := store.get_info(name)) and not info.stale for name in NAMES)


def test_name_that_the_server_fails_for_ever_fails_no_other_name(tmp_path: Path) -> None:
    with vault_site(tmp_path, kill) as site, ExitStack() as stack:
        calls = Calls(site.source)
        store = open_store(site.source, calls)
        stack.callback(store.close)
        others = [f"other-{number}" for number in range(150)]
        for name in (FAULTY, *others):
            site.put(name)
        store.get(FAULTY)
        (sender,) = (each for each in site.senders if each.reads)
        sender.is_failing = True
        begun = time.monotonic()
        for name in others:  # for longer than the TTL of the one that fails
            time.sleep(0.06)
            assert store.get(FAULTY) == FAULTY
            assert store.get(name) == name
        assert calls.records.count(("stale", True)) > 0
        retried = LIMITS.retry_window / LIMITS.retry_base  # of the first request, at most
        assert sender.faults <= retried + (time.monotonic() - begun) / FAILED_RETRY + 1
