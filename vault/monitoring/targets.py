"""What Prometheus scrapes in one environment, with the declared server as default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from app_integration._internal.server_urls import port_of
from vault.declare.declaration import Declaration
from vault.declare.schema.monitoring import Monitoring, Scraped


@dataclass(frozen=True, slots=True)
class Targets:
    """What is scraped in one environment."""

    servers: tuple[str, ...]
    scheme: str
    scraped: Scraped


def server_targets(addresses: Sequence[str], scraped: Scraped) -> Targets:
    """Return the targets of an environment whose servers are at *addresses*."""
    parts = [urlsplit(each) for each in addresses]
    servers = scraped.servers or tuple(map(_host_and_port, parts))
    return Targets(servers, parts[0].scheme if parts else "https", scraped)


def _host_and_port(url: SplitResult) -> str:
    host = f"[{url.hostname}]" if ":" in str(url.hostname) else url.hostname
    return f"{host}:{port_of(url)}"


def declared_targets(declaration: Declaration, monitoring: Monitoring) -> dict[str, Targets]:
    """Return the targets of each environment but dev, whose servers are on developers' machines."""
    found = {}
    for environment in declaration.environments:
        if not environment.is_dev:
            addresses = declaration.environment(environment).vault.addresses
            scraped = monitoring.environments.get(environment, Scraped())
            found[str(environment)] = server_targets(addresses, scraped)
    return found
