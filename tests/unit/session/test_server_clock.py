"""Clock of the server, read from a response."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from app_integration.session.server_clock import read_server_clock
from app_integration.session.session import Session
from app_integration.transport.request import Request, Response


def session(**headers: str) -> Session:
    def send(call: Request) -> Response:
        assert str(call) == "GET sys/seal-status"
        return Response(200, b"{}", headers=headers)

    return cast("Session", SimpleNamespace(requests=SimpleNamespace(answer=send)))


def test_clock_goes_on_from_the_time_of_the_server() -> None:
    seconds = [5.0]
    clock = read_server_clock(session(Date="Mon, 30 Nov 2026 21:00:00 GMT"), lambda: seconds[0])
    seconds[0] += 90
    assert clock() == datetime(2026, 11, 30, 21, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("headers", [{}, {"Date": "soon"}])
def test_without_a_time_of_the_server_the_clock_is_that_of_the_machine(
    headers: dict[str, str],
) -> None:
    now = datetime.now(UTC)
    assert now <= read_server_clock(session(**headers))() < now + timedelta(minutes=1)
