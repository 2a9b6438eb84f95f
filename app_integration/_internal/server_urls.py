"""Server addresses and namespace from the environment, and their validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from app_integration._internal.variables import read_list
from app_integration.errors import ConfigurationError
from app_integration.names import Environment

#: Hosts where an agent's proxy or a local server may listen without TLS.
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
#: Ports of addresses that name none.
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_EXTRA_ADDRESSES: Final = "STRONGROOM_VAULT_ADDRS"


def read_extra_addresses(env: Mapping[str, str], environment: Environment) -> tuple[str, ...]:
    """Return the addresses of the cluster besides ``VAULT_ADDR``.

    ``STRONGROOM_VAULT_ADDRS`` lists them, separated by commas.

    Raises:
        ConfigurationError: If one of them is invalid, or ``VAULT_ADDR`` is not set.

    """
    addresses = read_list(env, _EXTRA_ADDRESSES)
    if addresses and not env.get("VAULT_ADDR"):
        raise ConfigurationError(
            f"VAULT_ADDR is not set; set it, {_EXTRA_ADDRESSES} only adds further addresses"
        )
    return tuple(check_address(_EXTRA_ADDRESSES, each, environment) for each in addresses)


def read_namespace(env: Mapping[str, str]) -> str:
    """Return ``VAULT_NAMESPACE`` without slashes at its ends; empty for the root namespace.

    Raises:
        ConfigurationError: If it has spaces, or characters that are not printable ASCII.

    """
    namespace = env.get("VAULT_NAMESPACE", "").strip("/")
    if not (namespace.isascii() and namespace.isprintable()) or " " in namespace:
        raise ConfigurationError(f"VAULT_NAMESPACE is {namespace!r}; expected a path such as a/b")
    return namespace


def check_address(variable: str, address: str, environment: Environment) -> str:
    """Return *address* without trailing slashes.

    Args:
        variable: The variable that holds the address, for errors.
        address: ``http(s)://host:port``, or ``unix://`` with the path of a socket.
        environment: Outside dev, ``http`` is allowed to this machine only.

    Raises:
        ConfigurationError: If it is not such a URL, contains credentials, or is ``http`` to another
            machine outside dev.

    """
    if "@" in address:
        raise ConfigurationError(f"{variable} holds credentials; log in with AppRole files instead")
    if _is_socket(address):
        return address
    host = _host(address)
    if not host or not address.startswith(("http://", "https://")):
        raise ConfigurationError(f"{variable} is {address!r}; expected http(s)://host:port")
    http = address.startswith("http://")
    if http and host not in LOOPBACK and not environment.is_dev:
        raise ConfigurationError(
            f"{variable} is {address!r}; outside dev, http is allowed to this machine only:"
            " use https"
        )
    return address.rstrip("/")


def port_of(url: SplitResult) -> int:
    """Return the port of *url*, which is that of its scheme if it names none."""
    return url.port or DEFAULT_PORTS[url.scheme]


def is_local(address: str) -> bool:
    """Return whether *address* is on this machine."""
    return _is_socket(address) or _host(address) in LOOPBACK


def _is_socket(address: str) -> bool:
    """Return whether *address* is ``unix://`` with the path of a socket."""
    return address.startswith("unix:///") and len(address) > len("unix:///")


def _host(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    return parts.hostname if port != 0 else None
