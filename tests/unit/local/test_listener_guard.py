from __future__ import annotations

from typing import Any

import pytest

from app_integration.errors import Unreachable
from app_integration.transport.request import Request, RequestSender, Response
from local.listener_guard import CHECK_SECONDS, ListenerGuard
from local.listeners import UnexpectedListener


class Recorder(RequestSender):
    """Sender that records the paths it was called with."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.is_closed = False

    def exchange(self, request: Request, **_: Any) -> Response:
        self.sent.append(request.path)
        return Response(204, b"")

    def close(self) -> None:
        self.is_closed = True


class Guarded:
    """A guarded connection with a clock, and a server that can be replaced."""

    def __init__(self) -> None:
        self.now, self.checks, self.is_replaced = 0.0, 0, False
        self.recorder = Recorder()
        self.sender = ListenerGuard(self.check, lambda: self.now)(self.recorder)

    def check(self) -> None:
        self.checks += 1
        if self.is_replaced:
            raise UnexpectedListener("OpenBao", 8200, ())

    def send(self, token: str | None) -> None:
        self.sender.exchange(Request("POST", "path"), timeout=1.0, token=token)


@pytest.fixture
def guarded() -> Guarded:
    return Guarded()


def test_login_is_checked_each_time(guarded: Guarded) -> None:
    guarded.send(None)
    guarded.send(None)
    assert guarded.checks == 2


def test_login_to_another_listener_is_not_sent(guarded: Guarded) -> None:
    guarded.is_replaced = True
    with pytest.raises(Unreachable, match="port 8200: nothing listens there") as caught:
        guarded.send(None)
    assert caught.value.not_sent
    assert guarded.recorder.sent == []


def test_requests_share_a_check_until_its_time_is_over(guarded: Guarded) -> None:
    for _ in range(100):
        guarded.send("token")
    first = guarded.checks
    guarded.now += CHECK_SECONDS
    guarded.send("token")
    assert (first, guarded.checks) == (1, 2)
    guarded.is_replaced = True
    guarded.now += CHECK_SECONDS
    with pytest.raises(Unreachable):
        guarded.send("token")
    assert len(guarded.recorder.sent) == 101


def test_close_closes_the_connection(guarded: Guarded) -> None:
    guarded.sender.close()
    assert guarded.recorder.is_closed
