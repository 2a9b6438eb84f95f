from __future__ import annotations

import os
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from local.docker.published import check_published, is_engine_proxy, published_ports
from local.listeners import Listener, UnexpectedListener
from local.ports import HOST

ADDRESS = "172.18.0.2"
PROXY = ("/usr/bin/docker-proxy", "-proto", "tcp", "-host-ip", HOST, "-host-port", "28200",
         "-container-ip", ADDRESS, "-container-port", "28200")  # fmt: skip


def project(*published: int, host: str = HOST, **variables: int) -> dict[str, Any]:
    """Return the containers of a project as the engine's client has them."""
    ports = {f"{port}/tcp": [{"HostIp": host, "HostPort": str(port)}] for port in published}
    network = {
        "Ports": {**ports, "9/udp": None},
        "Networks": {"a": {"IPAddress": ADDRESS}, "b": {"IPAddress": ""}},
    }
    env = ["PATH=/bin", *(f"{name}={port}" for name, port in variables.items())]
    return {
        "network": SimpleNamespace(attrs={"NetworkSettings": network}),
        "prepare": SimpleNamespace(attrs={"Config": {"Env": env}}),
    }


def test_published_ports_are_named_by_the_project_variables() -> None:
    containers = project(
        28200, 25432, STRONGROOM_VAULT_PORT=28200, STRONGROOM_DATABASE_PORT=25432,
        STRONGROOM_VAULT_CLUSTER_PORT=28201,
    )  # fmt: skip
    assert published_ports(containers) == {"vault": 28200, "database": 25432}


@pytest.mark.parametrize("missing", ["network", "prepare"])
def test_project_without_its_containers_publishes_nothing(missing: str) -> None:
    containers = project(28200, STRONGROOM_VAULT_PORT=28200)
    del containers[missing]
    assert published_ports(containers) == {}


def test_stopped_project_publishes_nothing() -> None:
    containers = project(STRONGROOM_VAULT_PORT=28200)
    containers["network"].attrs["NetworkSettings"]["Ports"] = None
    assert published_ports(containers) == {}


@pytest.mark.parametrize(
    ("listener", "accepted"),
    [
        (Listener(7, "docker-proxy", PROXY, 0), True),
        (Listener(7, "docker-proxy", PROXY, os.geteuid()), True),
        (Listener(7, "docker-proxy", PROXY, 4242), False),
        (Listener(7, "docker-proxy", PROXY[:8], 0), False),
        (
            Listener(7, "docker-proxy", tuple(x.replace(ADDRESS, "1.2.3.4") for x in PROXY), 0),
            False,
        ),
        (Listener(7, "docker-proxy", tuple(x.replace("28200", "1") for x in PROXY), 0), False),
        (Listener(7, "dockerd", ("dockerd",), 0), True),
        (Listener(7, "rootlesskit", (), os.geteuid()), True),
        (Listener(7, "python3", PROXY, 0), False),
        (Listener(None, owner=0), True),
        (Listener(None, owner=4242), False),
        (Listener(None), False),
    ],
)
def test_engine_proxy_is_recognised_by_program_user_port_and_container(
    listener: Listener, accepted: bool
) -> None:
    assert is_engine_proxy(listener, 28200, {ADDRESS}) is accepted


def test_port_that_the_project_does_not_publish_is_rejected() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        for containers in ({}, project(), project(port, host="0.0.0.0")):  # noqa: S104 (rejected)
            with pytest.raises(UnexpectedListener, match=f"process {os.getpid()}"):
                check_published("OpenBao", port, containers)


def test_published_port_with_another_listener_is_rejected_and_named() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UnexpectedListener, match=rf"port {port}: process {os.getpid()} \("):
            check_published("OpenBao", port, project(port))


def test_published_port_without_a_listener_is_rejected() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UnexpectedListener, match="nothing listens there"):
        check_published("OpenBao", port, project(port))
