"""The ports of a local deployment: each a setting, all on 127.0.0.1."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import psutil

from app_integration.errors import ConfigurationError

HOST = "127.0.0.1"
HIGHEST = 65_535


class PortTaken(ConfigurationError):
    """A port that another process listens on."""

    def __init__(self, port: int, setting: str, holder: str) -> None:
        super().__init__(
            f"port {port} is taken by {holder}; end that, or set {setting} to a free port"
        )
        self.port = port
        self.setting = setting
        self.holder = holder


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports, by what listens there."""

    vault: int = 8200
    vault_cluster: int = 8201
    database: int = 15432
    redis: int = 16379
    smtp: int = 11025
    store: int = 8080

    def __post_init__(self) -> None:
        seen: dict[int, str] = {}
        for name, port in self.named().items():
            if port in seen:
                raise ConfigurationError(
                    f"{setting(seen[port])} and {setting(name)} are both {port};"
                    " each needs a port of its own"
                )
            seen[port] = name

    def named(self) -> dict[str, int]:
        """Port by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def setting(name: str) -> str:
    """The environment variable that sets port *name*: ``vault`` → ``STRONGROOM_VAULT_PORT``."""
    return f"STRONGROOM_{name.upper()}_PORT"


def from_environment(variables: Mapping[str, str]) -> Ports:
    """Ports as *variables* set them, defaults elsewhere.

    Raises:
        ConfigurationError: a value that is no port, or two settings with the same port; the
            message names variable and value.

    """
    given = {
        field.name: _number(setting(field.name), variables[setting(field.name)])
        for field in fields(Ports)
        if variables.get(setting(field.name))
    }
    return Ports(**given)


def _number(variable: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= HIGHEST):
        raise ConfigurationError(f"{variable} is {text!r}; expected a port, 1 to {HIGHEST}")
    return int(text)


def check_free(ports: Ports, names: Iterable[str] | None = None) -> None:
    """Make sure that nothing listens on the ports *names* (on all of them when None).

    Raises:
        PortTaken: something does; the message names port, setting and process.

    """
    numbers = ports.named()
    for name in numbers if names is None else names:
        if not _is_free(numbers[name]):
            raise PortTaken(numbers[name], setting(name), _holder(numbers[name]))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection still in TIME_WAIT doesn't hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise ConfigurationError(
                f"port {port}: this user may not listen there; choose one above 1023"
            ) from None
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    try:
        pid = next(
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.laddr and connection.laddr.port == port and connection.pid
        )
        return f"process {pid} ({psutil.Process(pid).name()})"
    except (StopIteration, psutil.Error):
        return "another user's process"
