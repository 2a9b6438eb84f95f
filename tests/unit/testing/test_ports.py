"""Ports for servers that tests start."""

from __future__ import annotations

import socket

import pytest

from app_integration.testing.ports import all_free, free_ports


def test_free_ports_are_below_ephemeral_ports() -> None:
    drawn = [free_ports(6) for _ in range(200)]
    assert max(ports[-1] for ports in drawn) < 32_768  # where the ephemeral ports of Linux start
    assert len({ports[0] for ports in drawn}) > 1


def test_free_ports_exclude_port_in_use() -> None:
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        assert not all_free(range(port, port + 1))
        assert not all_free(range(port - 1, port + 1))


def test_workers_have_ports_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    drawn = {}
    for worker in ("gw0", "gw1", "gw2", "gw3"):  # the last one in place of one that crashed
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        drawn[worker] = {port for _ in range(50) for port in free_ports(6)}
    assert not drawn["gw0"] & drawn["gw1"]
    assert not drawn["gw1"] & drawn["gw2"]
    assert not drawn["gw2"] & drawn["gw3"]
