"""Ports that the engine publishes for a compose project, and who listens on them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any, Final

from local.listeners import Listener, UnexpectedListener, find_listeners
from local.ports import HOST, Ports, setting

#: Service whose container holds the network namespace, and publishes the ports of all others.
NETWORK: Final = "network"
#: Service whose variables contain the port of each server by its setting.
PREPARE: Final = "prepare"
#: Program that forwards one published port to one container.
PROXY: Final = "docker-proxy"
#: Programs of container engines that listen on published ports themselves.
ENGINES: Final = frozenset(
    {"dockerd", "rootlesskit", "rootlessport", "com.docker.backend", "vpnkit"}
)


def published_ports(containers: Mapping[str, Any]) -> dict[str, int]:
    """Return the published ports of a running project by name."""
    if NETWORK not in containers or PREPARE not in containers:
        return {}
    published = _published(containers[NETWORK])
    variables = dict(line.split("=", 1) for line in containers[PREPARE].attrs["Config"]["Env"])
    numbers = {name: variables.get(setting(name), "") for name in Ports().by_name()}
    return {name: int(port) for name, port in numbers.items() if port in published}


def check_published(title: str, port: int, containers: Mapping[str, Any]) -> None:
    """Check that a connection to 127.0.0.1 at *port* reaches the project's containers."""
    network = containers.get(NETWORK)
    listeners = find_listeners(port)
    if network is None or str(port) not in _published(network):
        raise UnexpectedListener(title, port, listeners)
    addresses = _addresses(network)
    others = [each for each in listeners if not is_engine_proxy(each, port, addresses)]
    if others or not listeners:
        raise UnexpectedListener(title, port, others)


def is_engine_proxy(listener: Listener, port: int, addresses: Collection[str]) -> bool:
    """Return whether *listener* is the engine's, and forwards *port* to one of *addresses*."""
    if listener.owner not in (0, os.geteuid()):
        return False
    if listener.pid is None:
        return True  # It is root's, whose process this user cannot see but has to trust.
    if listener.name == PROXY:
        options = dict(zip(listener.command, listener.command[1:], strict=False))
        return options.get("-host-port") == str(port) and options.get("-container-ip") in addresses
    return listener.name in ENGINES


def _published(container: Any) -> set[str]:
    """Return the ports that a running *container* publishes on 127.0.0.1."""
    ports = container.attrs["NetworkSettings"]["Ports"] or {}
    bound = [each for bindings in ports.values() for each in bindings or ()]
    return {each["HostPort"] for each in bound if each["HostIp"] == HOST}


def _addresses(container: Any) -> set[str]:
    """Return the addresses of *container* in the engine's networks."""
    networks = container.attrs["NetworkSettings"]["Networks"].values()
    return {network["IPAddress"] for network in networks} - {""}
