"""A name that nobody resolves costs a caller its time and no more, and one thread in all."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app_integration.errors import Unreachable
from app_integration.transport import dns
from app_integration.transport.dns import Resolver, connect
from app_integration.transport.http import Transport
from tests.support.servers.local_server import Server, certificate_in, running

TIMEOUT = 0.3  # seconds


class Hanging:
    """Stands in for a name server in a black hole, which can't be had on one machine."""

    def __init__(self) -> None:
        self.asked = 0
        self.over = threading.Event()

    def __call__(self, *_: object, **__: object) -> dns.AddressInfos:
        self.asked += 1
        self.over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    hanging = Hanging()
    monkeypatch.setattr(dns, "_resolver", Resolver(hanging))
    yield hanging
    hanging.over.set()


def test_a_look_up_that_hangs_ends_at_the_deadline(hanging: Hanging) -> None:
    sender = Transport("http://vault.invalid:8200", cacert=None, connect_timeout=10.0)
    begun = time.monotonic()
    with pytest.raises(Unreachable) as caught:
        sender.send("GET", "sys/health", timeout=TIMEOUT)
    sender.close()
    assert time.monotonic() - begun < TIMEOUT * 1.5
    assert caught.value.not_sent
    assert hanging.asked == 1


def test_64_callers_of_one_name_take_one_thread(hanging: Hanging) -> None:
    def ask(_: int) -> bool:
        with pytest.raises(TimeoutError):
            connect("vault.invalid", 8200, TIMEOUT)
        return True

    with ThreadPoolExecutor(64) as pool:
        assert all(pool.map(ask, range(64)))
    assert hanging.asked == 1


def test_a_name_that_is_none_is_unreachable() -> None:
    def none(*_: object, **__: object) -> dns.AddressInfos:
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    with pytest.raises(socket.gaierror):
        Resolver(none).resolve("vault.invalid", 8200, TIMEOUT)


def test_a_name_is_looked_up_again_at_each_connection() -> None:
    asked: list[str] = []

    def lookup(host: str, port: int, **_: object) -> dns.AddressInfos:
        asked.append(host)
        return socket.getaddrinfo("127.0.0.1", port)

    names = Resolver(lookup)
    for _ in range(2):
        assert names.resolve("vault.internal", 8200, TIMEOUT)
    assert asked == ["vault.internal", "vault.internal"]


def test_each_address_of_a_name_is_tried_within_the_one_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running(Server()) as server, socket.socket() as full:
        # A listener with a full backlog answers no more connections: a black hole.
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
        begun = time.monotonic()
        connect("vault.internal", port, TIMEOUT).close()
        assert time.monotonic() - begun < TIMEOUT * 1.5
        for each in waiting:
            each.close()


def test_the_name_is_what_a_certificate_must_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certificate_in(tmp_path / "server.pem")  # for 127.0.0.1 only
    monkeypatch.setattr(
        dns,
        "_resolver",
        Resolver(lambda _host, port, **_: socket.getaddrinfo("127.0.0.1", port)),
    )
    with running(Server(), certificate) as server:
        port = server.address.rpartition(":")[2]
        named = Transport(f"https://vault.internal:{port}", cacert=certificate, connect_timeout=5)
        with pytest.raises(Unreachable, match="VAULT_CACERT"):
            named.send("GET", "sys/health", timeout=5)
        named.close()
    assert server.seen == []
