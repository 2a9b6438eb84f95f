"""TCP ports of a local deployment, all on 127.0.0.1. Each is a setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from app_integration.errors import ConfigurationError

HOST = "127.0.0.1"
HIGHEST = 65_535


class _Numbers:
    """Base of ports by name, which must all be different numbers."""

    __slots__ = ()

    def __post_init__(self) -> None:
        seen: dict[int, str] = {}
        for name, port in self.by_name().items():
            if port in seen:
                raise ConfigurationError(
                    f"{setting(seen[port])} and {setting(name)} are both {port};"
                    " set another port for one"
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
    """Return the ports that *variables* set, and defaults for the others."""
    return Ports(**read_settings(variables))


def read_settings(
    variables: Mapping[str, str], kind: type[Ports | MonitoringPorts] = Ports
) -> dict[str, int]:
    """Return the ports that *variables* set, by name."""
    return {
        field.name: _number(setting(field.name), variables[setting(field.name)])
        for field in fields(kind)
        if variables.get(setting(field.name))
    }


def _number(variable: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= HIGHEST):
        raise ConfigurationError(f"{variable} is {text!r}; expected a port, 1 to {HIGHEST}")
    return int(text)
