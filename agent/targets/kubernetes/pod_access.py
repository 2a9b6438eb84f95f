"""Manifests of what a pod logs in with and connects to, for agents and scheduled jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from agent.file_templates import render
from agent.quoting import quote_manifest
from agent.targets.kubernetes.pod_login import PodLogin
from app_integration._internal.server_urls import port_of
from vault.declare.schema.field_types import Endpoint


def login_files(role: str, login: PodLogin) -> dict[str, str]:
    """Return the service account, and the right to have tokens verified if the login needs it."""
    values = {
        "role": role,
        "account": login.account,
        "accounts": login.accounts,
        "namespaces": login.namespaces,
    }
    names = ["service-account.yaml"]
    if login.audience is None:
        names.append("token-review.yaml")
    return {name: render(f"targets/kubernetes/{name}.j2", quote_manifest, values) for name in names}


def network_policy(
    name: str, label: tuple[str, str], addresses: Sequence[str], others: Sequence[Endpoint] = ()
) -> str:
    """Return a policy that lets pods connect to DNS, the server and other endpoints."""
    values = {
        "name": name,
        "label": label,
        "endpoints": list(_endpoints(addresses, others)),
    }
    return render("targets/kubernetes/network-policy.yaml.j2", quote_manifest, values)


def _endpoints(addresses: Sequence[str], others: Sequence[Endpoint]) -> Iterator[dict[str, object]]:
    """Yield what the pod connects to: first the server's cluster, then the others."""
    for server in map(urlsplit, addresses):
        block = _block(server.hostname or "")
        yield {"is_server": True, "port": port_of(server), "block": block}
    for other in others:
        yield {"is_server": False, "port": other.port, "block": _block(other.host)}


def _block(host: str) -> str | None:
    """Return *host* as a CIDR block if it is an address: a policy cannot name a host."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return f"{address}/{address.max_prefixlen}"
