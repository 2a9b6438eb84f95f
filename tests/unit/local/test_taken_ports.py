"""Tests of ports that other processes listen on."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from local.ports import HOST, MonitoringPorts, Ports, from_environment
from local.taken_ports import PortTaken, check_free


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def test_taken_port_is_reported_with_setting_and_process(listener: int) -> None:
    with pytest.raises(PortTaken) as caught:
        check_free(replace(Ports(), database=listener), ["database"])
    holder = f"process {os.getpid()} ({psutil.Process().name()})"
    start = (
        f"port {listener} is taken by {holder};"
        " stop it, or use a free port: STRONGROOM_DATABASE_PORT="
    )
    assert re.fullmatch(rf"{re.escape(start)}[0-9]+ strongroom up", str(caught.value))


def test_all_taken_ports_are_reported_at_once(listener: int) -> None:
    with socket.create_server((HOST, 0)) as server:
        ports = replace(Ports(), database=listener, redis=server.getsockname()[1])
        with pytest.raises(PortTaken) as caught:
            check_free(ports, ["database", "redis"])
    assert str(caught.value).count("is taken by process") == 2
    _, _, line = str(caught.value).partition("; stop them, or use free ports: ")
    *settings, command = line.split(" ", 2)
    assert command == "strongroom up"
    found = from_environment(dict(each.split("=") for each in settings))
    check_free(found, ["database", "redis"])
    assert not {found.database, found.redis} & {*ports.by_name().values()}


def test_proposed_port_is_of_no_other_part(listener: int) -> None:
    ports = replace(Ports(), database=listener, redis=listener + 1, smtp=listener + 2)
    with pytest.raises(PortTaken) as caught:
        check_free(ports, ["database"])
    proposed = int(str(caught.value).rpartition("=")[2].split()[0])
    assert proposed > ports.smtp


def test_taken_port_of_the_monitoring_is_moved_by_its_own_command(listener: int) -> None:
    with pytest.raises(
        PortTaken, match=r"STRONGROOM_PROMETHEUS_PORT=\d+ strongroom monitoring up$"
    ):
        check_free(MonitoringPorts(prometheus=listener))


def test_taken_port_of_an_invisible_process_is_another_users(
    listener: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "net_connections", lambda _kind: [])
    with pytest.raises(PortTaken, match="taken by another user's process"):
        check_free(replace(Ports(), vault=listener), ["vault"])


def test_check_free_checks_the_named_ports_only(listener: int) -> None:
    ports = replace(Ports(), store=listener)
    with socket.create_server((HOST, 0)) as server:
        free = server.getsockname()[1]
    check_free(replace(ports, redis=free), ["redis"])
    with pytest.raises(PortTaken):
        check_free(ports, ["store"])


def test_port_of_a_server_that_is_about_to_exit_is_free() -> None:
    with socket.create_server((HOST, 0)) as server:
        threading.Timer(0.2, server.close).start()
        check_free(replace(Ports(), vault=server.getsockname()[1]), ["vault"])
