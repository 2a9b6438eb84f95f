"""Health, initialisation and unsealing of a secrets server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from app_integration.errors import ServerError

if TYPE_CHECKING:
    from app_integration.transport.http import Transport

REQUEST_SECONDS: Final = 10.0
INITIALISE_SECONDS: Final = 30.0
#: The status is 200 in every state, so that the response's body can be read.
_HEALTH: Final = "sys/health?standbycode=200&sealedcode=200&uninitcode=200"


def health(transport: Transport) -> dict[str, Any]:
    """Return the response of ``sys/health``, or an empty one if the server is unreachable."""
    try:
        return transport.send("GET", _HEALTH, timeout=REQUEST_SECONDS)
    except ServerError:
        return {}


def is_reachable(transport: Transport) -> bool:
    """Return whether the server responds, in any state."""
    return bool(health(transport))


def is_active(transport: Transport) -> bool:
    """Return whether the server is unsealed and not a standby."""
    state = health(transport)
    return bool(state) and not state["sealed"] and not state["standby"]


def is_sealed(transport: Transport) -> bool:
    """Return whether the server responds, and is sealed or not initialised."""
    return bool(health(transport).get("sealed"))


def initialise(transport: Transport, shares: Mapping[str, int]) -> dict[str, Any]:
    """Initialise a new server, and return its response with the keys and the root token."""
    return transport.send("POST", "sys/init", timeout=INITIALISE_SECONDS, body=shares)


def unseal(transport: Transport, key: str) -> None:
    """Unseal a server that has a single unseal *key*, in base64 or hexadecimal."""
    transport.send("POST", "sys/unseal", timeout=REQUEST_SECONDS, body={"key": key})
