from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from local.layout import Layout
from local.listeners import (
    Listener,
    UnexpectedListener,
    find_listeners,
    is_listening,
    socket_owners,
)
from local.ports import HOST, Ports
from local.processes.processes import ProcessManager
from local.processes.program import Running
from local.servers.server_process import Server

TITLE = "OpenBao (secrets)"
#: Two lines of /proc/net/tcp and its heading: a listener of root on 8200, a connection to it.
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2008 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 0100007F:2008 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0
   2: 0100007F:2009 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 3 1 0
"""


@pytest.fixture
def port() -> Iterator[int]:
    """Return a port that this process listens on."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        number: int = server.getsockname()[1]
    return number


def process(pid: int) -> Running:
    return Running("vault", pid, (), datetime.fromtimestamp(0, tz=UTC))


class RecordedServer(Server):
    """Server whose recorded process is *running*, and whose port is *number*."""

    name = "vault"
    title = TITLE
    port_names = ("vault",)
    folder_name = "."

    def __init__(self, folder: Path, number: int, running: Running | None) -> None:
        layout = Layout(folder)
        super().__init__(layout, replace(Ports(), vault=number), ProcessManager(layout))
        self._running = running

    def find(self) -> Running | None:
        return self._running

    def start(self) -> None:
        raise AssertionError("a check starts no server")


def test_recorded_process_that_listens_is_accepted(port: int, tmp_path: Path) -> None:
    server = RecordedServer(tmp_path, port, process(os.getpid()))
    server.check_listener()
    assert server.is_listening()
    assert is_listening(os.getpid(), port, os.geteuid())


def test_other_listener_is_named_with_pid_and_program(port: int, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        with pytest.raises(UnexpectedListener) as caught:
            RecordedServer(tmp_path, port, process(other.pid)).check_listener()
        other.kill()
    assert str(caught.value) == (
        f"port {port}: process {os.getpid()} ({psutil.Process().name()}) listens there, and is not "
        f"the {TITLE} of this deployment; no credential was sent; stop that process, then run "
        "strongroom up"
    )


@pytest.mark.parametrize("pid", [None, os.getpid()], ids=["none", "this"])
def test_port_without_a_listener_says_what_to_start(
    free_port: int, tmp_path: Path, pid: int | None
) -> None:
    with pytest.raises(UnexpectedListener) as caught:
        RecordedServer(tmp_path, free_port, process(pid) if pid else None).check_listener()
    assert str(caught.value) == (
        f"port {free_port}: nothing listens there, because {TITLE} is not running or not ready; no "
        "credential was sent; start it with strongroom up"
    )


def test_listener_of_a_server_that_is_not_running_is_rejected(port: int, tmp_path: Path) -> None:
    with pytest.raises(UnexpectedListener, match=f"process {os.getpid()}"):
        RecordedServer(tmp_path, port, None).check_listener()


def test_process_of_another_user_is_rejected(port: int) -> None:
    assert not is_listening(os.getpid(), port, os.geteuid() + 1)


def test_process_that_has_exited_is_rejected(port: int) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert not is_listening(ended.pid, port, os.geteuid())


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.2"])  # noqa: S104 (to be rejected)
def test_listener_on_another_address_is_not_the_server(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        assert not is_listening(os.getpid(), server.getsockname()[1], os.geteuid())


def test_connection_alone_is_no_listener(port: int) -> None:
    with socket.create_connection((HOST, port)) as client:
        assert find_listeners(client.getsockname()[1]) == ()


@pytest.mark.parametrize("address", [HOST, "0.0.0.0"])  # noqa: S104 (local and short-lived)
def test_listener_on_any_address_that_gets_local_connections_is_found(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        (found,) = find_listeners(server.getsockname()[1])
    assert (found.pid, found.owner) == (os.getpid(), os.geteuid())
    assert found.command == tuple(psutil.Process().cmdline())


def test_listener_that_this_user_may_not_see_has_its_owner(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = psutil.net_connections("tcp")
    monkeypatch.setattr(
        psutil, "net_connections", lambda _kind: [each._replace(pid=None) for each in seen]
    )
    assert find_listeners(port) == (Listener(None, owner=os.geteuid()),)
    assert str(find_listeners(port)[0]) == "another user's process"


def test_socket_owners_are_those_of_listeners_on_the_port() -> None:
    lines = TABLE.splitlines()
    assert socket_owners(lines, 8200) == {0}
    assert socket_owners(lines, 8201) == {1001}
    assert socket_owners(lines, 8202) == set()
