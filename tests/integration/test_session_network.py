"""Networks and servers that fail between a session and a real server."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from app_integration.auth.methods import AppRole, StaticToken
from app_integration.client import Client
from app_integration.errors import DeadlineExceeded, Sealed, StrongroomError, Unreachable
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits, Settings
from tests.support.polling import wait_until
from tests.support.processes.pause import pause
from tests.support.servers.audited_server import ROOT_TOKEN, AuditedServer, audited_server
from tests.support.servers.tcp_proxy import NetworkConditions, TcpProxy, tcp_proxy

pytestmark = pytest.mark.requires("embedded")

PATH = "secret/data/shop/dev/x"
VALUE = "the-value" * 1000
DEADLINE = 2.0  # seconds
#: An error comes by the deadline and a tenth of it.
LATEST = DEADLINE * 1.1
LIMITS = Limits(deadline=DEADLINE, retry_window=DEADLINE, connect_timeout=0.5, retry_max=0.5)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedServer]:
    with audited_server(tmp_path_factory.mktemp("server")) as started:
        started.root.post(PATH, {"data": {"value": VALUE}})
        started.allow("shop-dev", PATH)
        yield started


@pytest.fixture
def approle(server: AuditedServer, tmp_path: Path) -> AppRole:
    return server.approle(tmp_path, token_policies=["shop-dev"])


@pytest.fixture
def proxy(server: AuditedServer) -> Iterator[TcpProxy]:
    with tcp_proxy(server.address) as running:
        yield running


@pytest.fixture
def session(proxy: TcpProxy, approle: AppRole) -> Iterator[Session]:
    with Session(proxy.address, approle, limits=LIMITS) as session:
        assert read(session) == VALUE
        yield session
        proxy.conditions = NetworkConditions()


def read(session: Session) -> str:
    return str(session.get(PATH)["data"]["data"]["value"])


@pytest.mark.parametrize(
    ("conditions", "kind"),
    [
        (NetworkConditions(blackhole=True), DeadlineExceeded),
        (NetworkConditions(reset=True), Unreachable),
        (NetworkConditions(cut_after=0), Unreachable),
        (NetworkConditions(cut_after=2000), Unreachable),
        (NetworkConditions(rate=1000.0, slice=500), DeadlineExceeded),
        (NetworkConditions(latency=0.3, jitter=0.1, slice=100), DeadlineExceeded),
    ],
    ids=[
        "black blackhole",
        "reset",
        "cut before the answer",
        "cut in the body",
        "slow",
        "dripping",
    ],
)
def test_network_that_stays_broken_raises_by_deadline(
    proxy: TcpProxy, session: Session, conditions: NetworkConditions, kind: type[StrongroomError]
) -> None:
    proxy.conditions = conditions
    begun = time.monotonic()
    with pytest.raises(kind):
        read(session)
    assert time.monotonic() - begun < LATEST
    proxy.conditions = NetworkConditions()
    begun = time.monotonic()
    assert read(session) == VALUE
    assert time.monotonic() - begun < DEADLINE / 2


@pytest.mark.parametrize(
    "conditions",
    [
        NetworkConditions(reset=True),
        NetworkConditions(cut_after=0),
        NetworkConditions(cut_after=2000),
    ],
    ids=["reset", "cut before the answer", "cut in the body"],
)
def test_network_that_recovers_in_time_causes_no_error(
    proxy: TcpProxy, session: Session, conditions: NetworkConditions
) -> None:
    proxy.conditions = conditions
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read, session)
        before = proxy.connections
        wait_until(lambda: proxy.connections >= before + 2, "a second attempt")
        proxy.conditions = NetworkConditions()
        assert reading.result() == VALUE


@pytest.mark.parametrize(
    "conditions",
    [
        NetworkConditions(latency=0.05, jitter=0.05),
        NetworkConditions(slice=64),
        NetworkConditions(rate=200_000.0, slice=1000),
    ],
    ids=["late", "in pieces", "narrow"],
)
def test_slow_network_returns_whole_values(
    proxy: TcpProxy, session: Session, conditions: NetworkConditions
) -> None:
    proxy.conditions = conditions
    assert [read(session) for _ in range(5)] == [VALUE] * 5


def test_port_without_listener_raises_by_deadline(approle: AppRole) -> None:
    begun = time.monotonic()
    with (
        Session("http://127.0.0.1:1", approle, limits=LIMITS) as session,
        pytest.raises(Unreachable),
    ):
        read(session)
    assert time.monotonic() - begun < LATEST


def test_request_without_retry_is_sent_once_when_response_is_cut(
    server: AuditedServer, proxy: TcpProxy, session: Session
) -> None:
    before = server.count("sys/wrapping/wrap")
    proxy.conditions = NetworkConditions(cut_after=0)
    with pytest.raises(Unreachable):
        session.post("sys/wrapping/wrap", {"a": "b"}, wrap_ttl=60)
    proxy.conditions = NetworkConditions()
    assert server.count("sys/wrapping/wrap") == before + 1


class TestSealed:
    """Tests with a server of their own, because a sealed server does not come back."""

    @pytest.fixture
    def sealed(self, tmp_path: Path) -> Iterator[AuditedServer]:
        with audited_server(tmp_path) as started:
            started.root.post(PATH, {"data": {"value": VALUE}})
            started.root.post("sys/seal", {})
            yield started

    def test_sealed_server_raises_at_once_after_one_request(
        self, sealed: AuditedServer, approle: AppRole
    ) -> None:
        with tcp_proxy(sealed.address) as proxy:
            further = [proxy.address, proxy.address]
            limits = Limits(deadline=60.0, retry_window=60.0)
            with Session(proxy.address, approle, extra_addresses=further, limits=limits) as session:
                begun = time.monotonic()
                with pytest.raises(Sealed):
                    read(session)
                assert time.monotonic() - begun < limits.deadline / 60
            assert proxy.connections == 3

    def test_sealed_server_beside_active_one_causes_no_error(
        self, sealed: AuditedServer, server: AuditedServer, approle: AppRole
    ) -> None:
        further = [server.address]
        with Session(sealed.address, approle, extra_addresses=further, limits=LIMITS) as session:
            assert read(session) == VALUE
            wrapped = session.post("sys/wrapping/wrap", {"a": "b"}, wrap_ttl=60)
        assert wrapped["wrap_info"]["token"]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (lambda server: server.root.post("sys/seal", {}), Sealed),
        (lambda server: pause(server.pid), DeadlineExceeded),
        (lambda server: os.kill(server.pid, signal.SIGKILL), Unreachable),
    ],
    ids=["sealed", "paused", "stopped"],
)
def test_forced_read_of_a_lost_server_is_an_error_and_others_get_the_cached_value(
    end: Callable[[AuditedServer], object], expected: type[StrongroomError], tmp_path: Path
) -> None:
    with audited_server(tmp_path) as server:
        server.root.post(PATH, {"data": {"value": VALUE}})
        settings = Settings(
            Scope("shop", Environment.DEV),
            server.address,
            audit_file=tmp_path / "access.jsonl",
            limits=LIMITS,
        )
        root = Session(server.address, StaticToken(Secret(ROOT_TOKEN)), limits=LIMITS)
        with root, closing(Client(settings, session=root)) as client:
            client.secrets.get("x")
            end(server)
            with pytest.raises(expected):
                client.secrets.get("x", force_refresh=True)
            assert client.secrets.get("x") == VALUE
    records = [json.loads(line) for line in (tmp_path / "access.jsonl").read_text().splitlines()]
    assert [each["outcome"] for each in records] == ["miss", expected.__name__, "hit"]
    assert "request_id" not in records[1]
