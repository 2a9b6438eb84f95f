"""Server addresses and namespace from the environment, and their validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from app_integration._internal.variables import read_list
from app_integration.errors import ConfigurationError
from app_integration.names import Environment

#: Hosts where an agent's proxy or a local server may listen without TLS.
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
#: Ports of addresses that name none.
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
ADDRESSES: Final = "STRONGROOM_VAULT_ADDRS"
DATABASE_URL: Final = "STRONGROOM_DATABASE_URL"
REDIS_URL: Final = "STRONGROOM_REDIS_URL"
#: Options of a URL that drivers take for a user or a password.
_CREDENTIALS: Final = frozenset({"user", "username", "password", "passwd", "sslpassword"})
#: ``postgres`` is libpq's, and not SQLAlchemy's.
_POSTGRESQL: Final = frozenset({"postgres", "postgresql"})


def is_loopback_host(host: str) -> bool:
    """Return whether *host* is ``localhost`` or a loopback IP address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def read_addresses(env: Mapping[str, str], environment: Environment) -> tuple[str, ...]:
    """Return the addresses of the cluster, the preferred one first; none if none is set.

    ``VAULT_ADDR`` is the first one, if it is set, and ``STRONGROOM_VAULT_ADDRS`` lists others,
    separated by commas.
    """
    first = [("VAULT_ADDR", each) for each in (env.get("VAULT_ADDR"),) if each]
    others = [(ADDRESSES, each) for each in read_list(env, ADDRESSES)]
    checked = [check_address(name, each, environment) for name, each in (*first, *others)]
    return tuple(dict.fromkeys(checked))


def address_variables(addresses: Sequence[str]) -> dict[str, str]:
    """Return the variables in which :func:`read_addresses` finds *addresses*."""
    first, *others = addresses
    own = {"VAULT_ADDR": first}
    return {**own, ADDRESSES: ",".join(others)} if others else own


def first_address(env: Mapping[str, str]) -> str:
    """Return the preferred address that is set, unchecked; "" if none is."""
    return env.get("VAULT_ADDR") or next(iter(read_list(env, ADDRESSES)), "")


def read_plain_url(env: Mapping[str, str], name: str) -> str:
    """Return the URL in a variable, which has no user or password; "" if it is not set.

    An error contains nothing of it.
    """
    url = env.get(name, "")
    _, separator, rest = url.partition("://")
    options = {key.strip().lower() for key, _ in parse_qsl(rest.partition("?")[2], True)}
    if url and (not separator or "@" in rest or not options.isdisjoint(_CREDENTIALS)):
        raise ConfigurationError(
            f"{name} is not a URL without user and password; users are leased, and a URL with a "
            "password is a secret: declare one, and write it with strongroom put"
        )
    return url


def read_namespace(env: Mapping[str, str]) -> str:
    """Return ``VAULT_NAMESPACE`` without slashes at its ends; empty for the root namespace."""
    namespace = env.get("VAULT_NAMESPACE", "").strip("/")
    if not (namespace.isascii() and namespace.isprintable()) or " " in namespace:
        raise ConfigurationError(f"VAULT_NAMESPACE is {namespace!r}; expected a path such as a/b")
    return namespace


def check_address(variable: str, address: str, environment: Environment) -> str:
    """Return *address* without trailing slashes.

    Outside dev, ``http`` is allowed to this machine only.
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


def is_postgresql(scheme: str) -> bool:
    """Return whether *scheme* is PostgreSQL's, with any driver or none."""
    return scheme.partition("+")[0].lower() in _POSTGRESQL
