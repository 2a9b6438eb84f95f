"""What state a secrets server is in, and a new one's first minute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app_integration.errors import ServerError
from app_integration.transport.http import Transport

REQUEST_SECONDS: Final = 10.0
INITIALISE_SECONDS: Final = 30.0
#: Answers 200 in every state, so that the body tells them apart.
_HEALTH: Final = "sys/health?standbycode=200&sealedcode=200&uninitcode=200"


def health(transport: Transport) -> dict[str, Any]:
    """The server's own account; empty while it doesn't answer."""
    try:
        return transport.send("GET", _HEALTH, timeout=REQUEST_SECONDS)
    except ServerError:
        return {}


def answers(transport: Transport) -> bool:
    """Whether it answers at all."""
    return bool(health(transport))


def active(transport: Transport) -> bool:
    """Whether it serves."""
    state = health(transport)
    return bool(state) and not state["sealed"] and not state["standby"]


def initialise(transport: Transport, shares: Mapping[str, int]) -> dict[str, Any]:
    """Have a new server make its keys; gives its answer, with the root token.

    Raises:
        ServerError: it refused, or is no new one.

    """
    return transport.send("POST", "sys/init", timeout=INITIALISE_SECONDS, body=shares)


def unseal(transport: Transport, key: str) -> None:
    """Hand the server its one unseal *key*."""
    transport.send("POST", "sys/unseal", timeout=REQUEST_SECONDS, body={"key": key})
