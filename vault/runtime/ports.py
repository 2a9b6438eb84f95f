"""TCP ports of a local deployment, all on 127.0.0.1. Each is a setting."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from app_integration.errors import ConfigurationError

HOST = "127.0.0.1"
HIGHEST = 65_535


class PortTaken(ConfigurationError):
    """Ports that other processes listen on.

    Attributes:
        taken: Setting → its port.

    """

    def __init__(self, taken: Mapping[str, int]) -> None:
        """Name each port with its process and its setting."""
        found = ", ".join(f"port {it} is taken by {_describe_holder(it)}" for it in taken.values())
        remedy = (
            "stop it, or set {} to a free port"
            if len(taken) == 1
            else ("stop them, or set {} to free ports")
        )
        super().__init__(f"{found}; {remedy.format(', '.join(taken))}")
        self.taken = taken


class _Numbers:
    """Base of ports by name, each of which must be another number."""

    __slots__ = ()

    def __post_init__(self) -> None:
        seen: dict[int, str] = {}
        for name, port in self.by_name().items():
            if port in seen:
                raise ConfigurationError(
                    f"{setting(seen[port])} and {setting(name)} are both {port};"
                    " each needs a port of its own"
                )
            seen[port] = name

    def by_name(self) -> dict[str, int]:
        """Return each port by the name of its field."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type] # a dataclass


@dataclass(frozen=True, slots=True)
class Ports(_Numbers):
    """TCP ports of the servers."""

    vault: int = 8200
    vault_cluster: int = 8201
    database: int = 15432
    redis: int = 16379
    smtp: int = 11025
    store: int = 8080
    aws: int = 15000

    @property
    def vault_address(self) -> str:
        """Return the URL of the secrets server's API and web page."""
        return f"http://{HOST}:{self.vault}"

    @property
    def aws_address(self) -> str:
        """Return the URL of the stand-in for AWS, all services."""
        return f"http://{HOST}:{self.aws}"


@dataclass(frozen=True, slots=True)
class MonitoringPorts(_Numbers):
    """TCP ports of the monitoring. They are not stored, because nothing contains them."""

    prometheus: int = 9090
    alertmanager: int = 9093
    node_exporter: int = 9100


def setting(name: str) -> str:
    """Return the variable that sets port *name*: ``vault`` → ``STRONGROOM_VAULT_PORT``."""
    return f"STRONGROOM_{name.upper()}_PORT"


def from_environment(variables: Mapping[str, str]) -> Ports:
    """Return the ports that *variables* set, and defaults for the others.

    Raises:
        ConfigurationError: If a value is not a port, or two settings have the same port. The
            message names the variable and the value.

    """
    return Ports(**read_settings(variables))


def monitoring_from_environment(variables: Mapping[str, str]) -> MonitoringPorts:
    """Return the ports of the monitoring that *variables* set, and defaults for the others.

    Raises:
        ConfigurationError: See :func:`from_environment`.

    """
    return MonitoringPorts(**read_settings(variables, MonitoringPorts))


def read_settings(
    variables: Mapping[str, str], kind: type[Ports | MonitoringPorts] = Ports
) -> dict[str, int]:
    """Return the ports that *variables* set, by name.

    Args:
        variables: Variables of the environment.
        kind: The ports to read.

    Raises:
        ConfigurationError: If a value is not a port. The message names the variable and the value.

    """
    return {
        field.name: _number(setting(field.name), variables[setting(field.name)])
        for field in fields(kind)
        if variables.get(setting(field.name))
    }


def _number(variable: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= HIGHEST):
        raise ConfigurationError(f"{variable} is {text!r}; expected a port, 1 to {HIGHEST}")
    return int(text)


def check_free(ports: Ports | MonitoringPorts, names: Iterable[str] | None = None) -> None:
    """Check that no process listens on the ports.

    Args:
        ports: The numbers.
        names: Names of the ports to check, or None for all.

    Raises:
        PortTaken: If a process does. The message names all such ports.
        ConfigurationError: If this user is not allowed to listen on a port.

    """
    numbers = ports.by_name()
    chosen = numbers if names is None else names
    taken = {setting(name): numbers[name] for name in chosen if not _is_free(numbers[name])}
    if taken:
        raise PortTaken(taken)


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
