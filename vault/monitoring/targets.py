"""What Prometheus scrapes in one environment, with the declared server as default."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from app_integration._internal.server_urls import port_of
from vault.declare.declaration import Declaration
from vault.declare.schema.monitoring import Monitoring, Scraped


@dataclass(frozen=True, slots=True)
class Targets:
    """What is scraped in one environment.

    Attributes:
        servers: ``host:port`` of each server.
        scheme: That of the servers.
        scraped: The team's file.

    """

    servers: tuple[str, ...]
    scheme: str
    scraped: Scraped


def server_targets(address: str | None, scraped: Scraped) -> Targets:
    """Return the targets of an environment whose server is at *address*.

    Args:
        address: URL of the server, None if the environment declares none, as on AWS.
        scraped: The team's file, which may name each server of a cluster.

    """
    if address is None:
        return Targets(scraped.servers, "https", scraped)
    parts = urlsplit(address)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    own = f"{host}:{port_of(parts)}"
    return Targets(scraped.servers or (own,), parts.scheme, scraped)


def declared_targets(declaration: Declaration, monitoring: Monitoring) -> dict[str, Targets]:
    """Return the targets of each environment but dev, whose servers run on a developer's machine.

    Args:
        declaration: Has the address of each environment's server.
        monitoring: The team's file.

    """
    found = {}
    for environment in declaration.environments:
        if not environment.is_dev:
            address = declaration.environment(environment).vault.address
            scraped = monitoring.environments.get(environment, Scraped())
            found[str(environment)] = server_targets(address, scraped)
    return found
