"""Several addresses of one cluster: what goes to the next at once, and what doesn't."""

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
    """A server an error that it always gives; None for one that serves."""
    servers = [Server() for _ in errors]
    for server, error in zip(servers, errors, strict=True):
        if error is not None:
            server.answers[PATH] = [error]
    return FailoverTransport(servers, servers[0].clock), servers


def asked(servers: list[Server]) -> list[int]:
    return [server.count(PATH) for server in servers]


@pytest.mark.parametrize("error", [AWAY, Sealed("x"), STANDBY])
def test_what_had_no_effect_goes_to_the_next_and_stays_there(error: StrongroomError) -> None:
    addresses, servers = cluster(error, error, None)
    for _ in range(3):
        assert addresses.send("GET", PATH, timeout=10) == {"data": {}}
    assert asked(servers) == [1, 1, 3]


@pytest.mark.parametrize("error", [Unreachable("cut"), ServerFault("x"), DeadlineExceeded("x")])
def test_what_may_have_had_one_goes_nowhere_else_within_the_call(error: StrongroomError) -> None:
    addresses, servers = cluster(error, None)
    with pytest.raises(type(error)):
        addresses.send("POST", PATH, timeout=10, body={})
    assert asked(servers) == [1, 0]
    addresses.send("POST", PATH, timeout=10, body={})
    assert asked(servers) == [1, 1]


@pytest.mark.parametrize(
    "error", [AccessDenied("x"), RequestRefused("x", status=404), RateLimited("x")]
)
def test_an_answer_is_an_answer(error: StrongroomError) -> None:
    addresses, servers = cluster(error, None)
    for _ in range(2):
        with pytest.raises(type(error)):
            addresses.send("GET", PATH, timeout=10)
    assert asked(servers) == [2, 0]


def test_sealed_everywhere_is_sealed_and_each_is_asked_once() -> None:
    addresses, servers = cluster(*(Sealed("x") for _ in range(3)))
    with pytest.raises(Sealed):
        addresses.send("GET", PATH, timeout=10)
    assert asked(servers) == [1, 1, 1]


def test_one_that_may_come_back_is_worth_waiting_for() -> None:
    addresses, _ = cluster(Sealed("x"), AWAY, Sealed("x"))
    with pytest.raises(Unreachable):
        addresses.send("GET", PATH, timeout=10)
