"""Ports for servers that tests start."""

from __future__ import annotations

import socket

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
