"""Ports of the local deployment that other processes listen on, and free ones in their place."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final

from app_integration.errors import ConfigurationError
from local.ports import HIGHEST, HOST, MonitoringPorts, Ports, setting

_UNPRIVILEGED: Final = 1024
_LOOKS: Final = 10  # at a port that is taken: the server of a killed command may be about to exit
_LOOK_INTERVAL: Final = 0.1  # seconds


class PortTaken(ConfigurationError):
    """Ports that other processes listen on."""

    def __init__(self, taken: Mapping[str, int], free: Mapping[str, int], command: str) -> None:
        """Name each port with its process, and the command line that starts on free ones."""
        found = ", ".join(f"port {it} is taken by {_describe_holder(it)}" for it in taken.values())
        what = "stop it, or use a free port" if len(taken) == 1 else "stop them, or use free ports"
        line = " ".join(f"{name}={port}" for name, port in free.items())
        super().__init__(f"{found}; {what}: {line} {command}")


def check_free(ports: Ports | MonitoringPorts, names: Iterable[str] | None = None) -> None:
    """Check that no process listens on the ports."""
    numbers = ports.by_name()
    chosen = numbers if names is None else names
    taken = {name: numbers[name] for name in chosen if not _is_free_soon(numbers[name])}
    if taken:
        command = "strongroom up" if isinstance(ports, Ports) else "strongroom monitoring up"
        raise PortTaken(_by_setting(taken), _by_setting(_find_free(taken, numbers)), command)


def _by_setting(numbers: Mapping[str, int]) -> dict[str, int]:
    return {setting(name): port for name, port in numbers.items()}


def _find_free(taken: Mapping[str, int], numbers: Mapping[str, int]) -> dict[str, int]:
    """Return a free port for each of *taken*, the next one that is none of *numbers*."""
    found: dict[str, int] = {}
    for name, port in taken.items():
        others = {*numbers.values(), *found.values()}
        later = chain(range(port + 1, HIGHEST + 1), range(_UNPRIVILEGED, port))
        found[name] = next(each for each in later if each not in others and _is_free(each))
    return found


def _is_free_soon(port: int) -> bool:
    for _ in range(_LOOKS):
        if _is_free(port):
            return True
        time.sleep(_LOOK_INTERVAL)
    return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Servers set it too, so that a connection in TIME_WAIT does not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise ConfigurationError(
                f"port {port}: this user is not allowed to listen there; choose a port above 1023"
            ) from None
        except OSError:
            return False
    return True


def _describe_holder(port: int) -> str:
    import psutil  # noqa: PLC0415 (only for an error)

    try:
        pid = next(
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.laddr and connection.laddr.port == port and connection.pid
        )
        return f"process {pid} ({psutil.Process(pid).name()})"
    except (StopIteration, psutil.Error):
        return "another user's process"
