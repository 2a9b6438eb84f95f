"""Several addresses of one cluster: which errors fail over to the next address at once."""

from __future__ import annotations

import pytest

from app_integration.errors import (
    AccessDenied,
    DeadlineExceeded,
    RateLimited,
    RequestRefused,
    Sealed,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.transport.failover import FailoverTransport
from tests.support.servers.scripted_server import Server

PATH = "secret/data/shop/prod/x"
AWAY = Unreachable("no connection", not_sent=True)
STANDBY = RateLimited("status 473", not_sent=True)


def cluster(*errors: StrongroomError | None) -> tuple[FailoverTransport, list[Server]]:
    """Return a transport over servers that raise the given errors; None for one that works."""
    servers = [Server() for _ in errors]
    for server, error in zip(servers, errors, strict=True):
        if error is not None:
            server.answers[PATH] = [error]
    return FailoverTransport(servers, servers[0].clock), servers


def requests_of(servers: list[Server]) -> list[int]:
    return [server.count(PATH) for server in servers]


@pytest.mark.parametrize("error", [AWAY, Sealed("x"), STANDBY])
def test_failover_after_request_not_sent_uses_next_address_from_then_on(
    error: StrongroomError,
) -> None:
    addresses, servers = cluster(error, error, None)
    for _ in range(3):
        assert addresses.send("GET", PATH, timeout=10) == {"data": {}}
    assert requests_of(servers) == [1, 1, 3]


@pytest.mark.parametrize("error", [Unreachable("cut"), ServerFault("x"), DeadlineExceeded("x")])
def test_failover_after_possible_effect_waits_for_next_call(error: StrongroomError) -> None:
    addresses, servers = cluster(error, None)
    with pytest.raises(type(error)):
        addresses.send("POST", PATH, timeout=10, body={})
    assert requests_of(servers) == [1, 0]
    addresses.send("POST", PATH, timeout=10, body={})
    assert requests_of(servers) == [1, 1]


@pytest.mark.parametrize(
    "error", [AccessDenied("x"), RequestRefused("x", status=404), RateLimited("x")]
)
def test_failover_after_403_404_or_429_tries_no_other_address(error: StrongroomError) -> None:
    addresses, servers = cluster(error, None)
    for _ in range(2):
        with pytest.raises(type(error)):
            addresses.send("GET", PATH, timeout=10)
    assert requests_of(servers) == [2, 0]


def test_failover_with_all_sealed_raises_sealed_after_one_request_each() -> None:
    addresses, servers = cluster(*(Sealed("x") for _ in range(3)))
    with pytest.raises(Sealed):
        addresses.send("GET", PATH, timeout=10)
    assert requests_of(servers) == [1, 1, 1]


def test_failover_prefers_retryable_error_over_sealed() -> None:
    addresses, _ = cluster(Sealed("x"), AWAY, Sealed("x"))
    with pytest.raises(Unreachable):
        addresses.send("GET", PATH, timeout=10)
