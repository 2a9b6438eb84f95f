"""Requests that are passed on, against a scripted server: token, repetition, deadline."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app_integration.auth.methods import AppRole
from app_integration.errors import AccessDenied, ServerFault, StrongroomError, Unreachable
from app_integration.observability import metrics
from app_integration.observability.recorder import NullRecorder
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits
from app_integration.transport.request import Request, Response
from tests.support.servers.scripted_server import LOGIN, LOOKUP, Answer, Server

LIMITS = Limits(deadline=10.0, retry_window=5.0, retry_base=0.1, retry_max=2.0)
PATH = "secret/data/shop/prod/x"
OK = Response(200, b"{}")
NOT_SENT = Unreachable("no connection", not_sent=True)
CUT = Unreachable("cut")


class RawServer(Server):
    """A scripted server that lists the tokens that it was sent."""

    def tokens(self) -> list[str | None]:
        """Return the token of each request for :data:`PATH`."""
        return [token for path, token in self.seen if path == PATH]


@pytest.fixture
def server() -> RawServer:
    return RawServer()


@pytest.fixture
def session(server: RawServer, tmp_path: Path) -> Iterator[Session]:
    for name in ("role-id", "secret-id"):
        (tmp_path / name).write_text(f"the-{name}\n")
    login = AppRole(tmp_path / "role-id", tmp_path / "secret-id")
    clock = server.clock
    with Session(
        "http://vault",
        login,
        limits=LIMITS,
        clock=clock,
        sleep=clock.sleep,
        connect=lambda: server,
    ) as opened:
        yield opened


def test_write_without_connection_is_retried_and_a_cut_one_is_not(
    server: RawServer, session: Session
) -> None:
    server.answers[PATH] = [NOT_SENT, NOT_SENT, lambda: OK]
    assert session.requests.answer(Request("POST", PATH)) is OK
    assert server.count(PATH) == 3
    server.answers[PATH] = [NOT_SENT, CUT, lambda: OK]
    with pytest.raises(Unreachable, match="cut"):
        session.requests.answer(Request("PUT", PATH))
    assert server.count(PATH) == 5


@pytest.mark.parametrize("error", [CUT, ServerFault("x")])
@pytest.mark.parametrize("method", ["GET", "LIST", "HEAD"])
def test_read_is_retried(
    server: RawServer, session: Session, method: str, error: StrongroomError
) -> None:
    server.answers[PATH] = [error, error, lambda: OK]
    assert session.requests.answer(Request(method, PATH)) is OK


def test_last_response_is_returned_after_retries(server: RawServer, session: Session) -> None:
    server.answers[PATH] = [lambda: Response(500, b"broken")]
    assert session.requests.answer(Request("GET", PATH)).content == b"broken"
    assert server.count(PATH) > 3


def test_error_after_an_earlier_response_is_raised(server: RawServer, session: Session) -> None:
    server.answers[PATH] = [lambda: Response(500, b"broken"), CUT]
    with pytest.raises(Unreachable):
        session.requests.answer(Request("GET", PATH))


def test_write_with_an_expired_token_is_sent_again_with_a_new_one(
    server: RawServer, session: Session
) -> None:
    session.requests.answer(Request("POST", PATH))
    server.revoked.add("t1")
    session.requests.answer(Request("POST", PATH))
    assert server.tokens() == ["t1", "t1", "t2"]


def test_denied_call_with_a_valid_token_logs_in_no_more(
    server: RawServer, session: Session
) -> None:
    server.answers[PATH] = [AccessDenied("denied")]
    with pytest.raises(AccessDenied):
        session.requests.answer(Request("GET", PATH))
    assert (server.count(LOGIN), server.count(LOOKUP)) == (1, 1)


def test_token_of_the_caller_is_sent_without_login_and_not_replaced(
    server: RawServer, session: Session
) -> None:
    server.revoked.add("own")
    with pytest.raises(AccessDenied):
        session.requests.answer(Request("GET", PATH, token=Secret("own")))
    assert (server.tokens(), server.count(LOGIN)) == (["own"], 0)


@pytest.mark.parametrize(
    "path",
    [
        *("sys/health", "sys/init", "sys/leader", "sys/seal-status", "sys/unseal"),
        *("auth/approle/login", "auth/team/userpass/login/ada"),
    ],
)
def test_path_that_needs_no_token_is_sent_without_one(
    server: RawServer, session: Session, path: str
) -> None:
    session.requests.answer(Request("PUT", path))
    assert server.seen == [(path, None)]


@pytest.mark.parametrize("path", ["sys/healthy", "sys/init/x", "secret/auth/x/login", "auth/login"])
def test_path_like_one_that_needs_no_token_has_one(
    server: RawServer, session: Session, path: str
) -> None:
    session.requests.answer(Request("GET", path))
    assert server.seen[-1] == (path, "t1")


def test_timeout_replaces_the_deadline(server: RawServer, session: Session) -> None:
    session.requests.answer(Request("GET", PATH))
    session.requests.answer(Request("GET", PATH), timeout=60)
    assert server.timeouts[-2:] == [LIMITS.deadline, 60]


def test_first_call_starts_the_renewal(session: Session) -> None:
    session.requests.answer(Request("GET", PATH))
    assert session._renewer.worker.is_running


@pytest.mark.parametrize(
    ("answer", "of_sdk", "of_application"),
    [
        (CUT, 1, 1),
        (ServerFault("x"), 1, 1),
        (AccessDenied("x"), 0, 0),
        (Response(200, b"<html>"), 1, 0),
        (Response(200, b"{}"), 0, 0),
    ],
)
def test_lease_with_lost_response_is_counted_for_each_kind_of_request(
    server: Server,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    of_sdk: int,
    of_application: int,
) -> None:
    """The application gets what is no response of a server as it is, and may find a lease in it."""
    path = "database/creds/shop-prod"
    done: list[str] = []
    recorder = NullRecorder()
    monkeypatch.setattr(recorder, "record_operation", lambda name, _: done.append(name))
    monkeypatch.setattr(metrics.state, "recorder", recorder)
    server.answers[path] = [answer]
    with suppress(StrongroomError):
        session.post(path, retry=False)
    assert done.count("orphan-lease") == of_sdk
    with suppress(StrongroomError):
        session.requests.answer(Request("GET", path))
    assert done.count("orphan-lease") == of_sdk + of_application
    assert server.count(path) == 2


def test_body_that_is_no_json_is_in_no_frame_of_the_sdk(session: Session) -> None:
    value = "the-value-that-was-sent"
    with pytest.raises(TypeError) as caught:
        session.post(PATH, {"data": {"value": value, "other": object()}})
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [each for each in frames if "/app_integration/" in each.f_code.co_filename]
    assert len(ours) == 2
    assert value not in repr([{**frame.f_locals} for frame in ours])
