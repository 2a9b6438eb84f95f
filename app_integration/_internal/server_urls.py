"""Where the server is: what the variables for its addresses and namespace may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from app_integration.errors import ConfigurationError
from app_integration.names import Environment

#: Hosts where an agent's proxy or a local server may listen without TLS.
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_FURTHER: Final = "STRONGROOM_VAULT_ADDRS"


def extra_addresses(env: Mapping[str, str], environment: Environment) -> tuple[str, ...]:
    """More addresses of the same cluster, besides ``VAULT_ADDR``.

    Raises:
        ConfigurationError: one of them is none, or ``VAULT_ADDR`` isn't set.

    """
    given = [each.strip() for each in env.get(_FURTHER, "").split(",") if each.strip()]
    if given and not env.get("VAULT_ADDR"):
        raise ConfigurationError(f"VAULT_ADDR is not set; {_FURTHER} only adds to it")
    return tuple(check_address(_FURTHER, each, environment) for each in given)


def namespace(env: Mapping[str, str]) -> str:
    """Where API paths begin; empty for the root. Raises ConfigurationError for what can't be."""
    given = env.get("VAULT_NAMESPACE", "").strip("/")
    if not (given.isascii() and given.isprintable()) or " " in given:
        raise ConfigurationError(f"VAULT_NAMESPACE is {given!r}; expected a path such as a/b")
    return given


def check_address(variable: str, address: str, environment: Environment) -> str:
    """*address* without a slash at its end; *variable* is named in errors.

    Raises:
        ConfigurationError: it is none, holds credentials, or is ``http`` to elsewhere outside dev.

    """
    if "@" in address:
        raise ConfigurationError(f"{variable} holds credentials; log in with AppRole files instead")
    if _is_socket(address):
        return address
    host = _host(address)
    if not host or not address.startswith(("http://", "https://")):
        raise ConfigurationError(f"{variable} is {address!r}; expected http(s)://host:port")
    http = address.startswith("http://")
    if http and host not in LOOPBACK and environment is not Environment.DEV:
        raise ConfigurationError(
            f"{variable} is {address!r}; outside dev, http goes to this machine only: use https"
        )
    return address.rstrip("/")


def is_local(address: str) -> bool:
    """Whether *address* is on this machine."""
    return _is_socket(address) or _host(address) in LOOPBACK


def _is_socket(address: str) -> bool:
    """Whether it is ``unix://`` with the path of a socket."""
    return address.startswith("unix:///") and len(address) > len("unix:///")


def _host(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    return parts.hostname if port != 0 else None
