"""Ports that tests' servers are given."""

from __future__ import annotations

import socket

from app_integration.testing.ports import all_free, free_ports


def test_no_outgoing_connection_can_take_a_port_that_was_given() -> None:
    drawn = [free_ports(6) for _ in range(200)]
    assert max(ports[-1] for ports in drawn) < 32_768  # where Linux's begin
    assert len({ports[0] for ports in drawn}) > 1


def test_a_port_that_is_listened_on_is_not_given() -> None:
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        assert not all_free(range(port, port + 1))
        assert not all_free(range(port - 1, port + 1))
