"""Name lookups that hang: they take no longer than the timeout, and one thread in all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app_integration.errors import Unreachable
from app_integration.transport import dns
from app_integration.transport.dns import Resolver, connect
from app_integration.transport.http import Transport
from tests.support.deadlines import assert_ends_within
from tests.support.servers.local_server import Server, serve, write_certificate

TIMEOUT = 0.3  # seconds


class HangingLookup:
    """A lookup that never answers, because a name server that drops requests cannot run here."""

    def __init__(self) -> None:
        self.asked = 0
        self.over = threading.Event()

    def __call__(self, *_: object, **__: object) -> dns.AddressInfos:
        self.asked += 1
        self.over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[HangingLookup]:
    hanging = HangingLookup()
    monkeypatch.setattr(dns, "_resolver", Resolver(hanging))
    yield hanging
    hanging.over.set()


def test_lookup_that_hangs_ends_at_deadline(hanging: HangingLookup) -> None:
    sender = Transport("http://vault.invalid:8200", cacert=None, connect_timeout=10.0)

    def request() -> None:
        with pytest.raises(Unreachable) as caught:
            sender.send("GET", "sys/health", timeout=TIMEOUT)
        assert caught.value.not_sent

    assert_ends_within(TIMEOUT * 1.5, request)
    sender.close()
    assert hanging.asked == 1


def test_lookup_by_64_callers_takes_one_thread(hanging: HangingLookup) -> None:
    def ask(_: int) -> bool:
        with pytest.raises(TimeoutError):
            connect("vault.invalid", 8200, TIMEOUT)
        return True

    with ThreadPoolExecutor(64) as pool:
        assert all(pool.map(ask, range(64)))
    assert hanging.asked == 1


def test_lookup_of_unknown_host_raises() -> None:
    def none(*_: object, **__: object) -> dns.AddressInfos:
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    with pytest.raises(socket.gaierror):
        Resolver(none).resolve("vault.invalid", 8200, TIMEOUT)


def test_lookup_of_a_name_that_cannot_be_encoded_raises_as_of_an_unknown_host() -> None:
    with pytest.raises(socket.gaierror) as caught:
        Resolver().resolve("vault..internal", 8200, TIMEOUT)
    assert caught.value.errno == socket.EAI_NONAME


def test_lookup_is_repeated_for_each_connection() -> None:
    asked: list[str] = []

    def lookup(host: str, port: int, **_: object) -> dns.AddressInfos:
        asked.append(host)
        return socket.getaddrinfo("127.0.0.1", port)

    names = Resolver(lookup)
    for _ in range(2):
        assert names.resolve("vault.internal", 8200, TIMEOUT)
    assert asked == ["vault.internal", "vault.internal"]


def test_connect_tries_each_address_within_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(Server()) as server, socket.socket() as full:
        # A listener with a full backlog accepts no connection, like a black hole.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        hole = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", hole))
        port = int(server.address.rpartition(":")[2])
        found = [
            *socket.getaddrinfo("127.0.0.1", hole, type=socket.SOCK_STREAM),
            *socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM),
        ]
        monkeypatch.setattr(dns, "_resolver", Resolver(lambda *_, **__: found))
        assert_ends_within(TIMEOUT * 1.5, lambda: connect("vault.internal", port, TIMEOUT).close())
        for each in waiting:
            each.close()


def test_certificate_must_contain_host_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path / "server.pem")  # for 127.0.0.1 only
    monkeypatch.setattr(
        dns,
        "_resolver",
        Resolver(lambda _host, port, **_: socket.getaddrinfo("127.0.0.1", port)),
    )
    with serve(Server(), certificate) as server:
        port = server.address.rpartition(":")[2]
        named = Transport(f"https://vault.internal:{port}", cacert=certificate, connect_timeout=5)
        with pytest.raises(Unreachable, match="VAULT_CACERT"):
            named.send("GET", "sys/health", timeout=5)
        named.close()
    assert server.seen == []
