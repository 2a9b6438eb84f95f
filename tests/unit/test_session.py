"""Login, retries and renewal against a scripted server, on a clock that moves when told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    RateLimited,
    RequestRefused,
    Sealed,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.login import AppRole, GivenToken
from app_integration.secret import Secret
from app_integration.session import Session
from app_integration.settings import Limits
from tests.unit.scripted_server import (
    LOGIN,
    LOOKUP,
    RENEW,
    REVOKE,
    TTL,
    Answer,
    Server,
    auth,
)

LIMITS = Limits(deadline=10.0, retry_window=5.0, retry_base=0.1, retry_max=2.0)
PATH = "secret/data/shop/prod/x"
SECRET_ID = "the-secret-id-itself"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def approle(tmp_path: Path) -> AppRole:
    for name, text in (("role-id", "the-role"), ("secret-id", SECRET_ID)):
        (tmp_path / name).write_text(f"{text}\n")
    return AppRole(tmp_path / "role-id", tmp_path / "secret-id")


@pytest.fixture
def session(server: Server, approle: AppRole) -> Iterator[Session]:
    session = on(server, approle)
    yield session
    session.close()


def on(server: Server, login: Any) -> Session:
    clock = server.clock
    session = Session("http://vault", login, limits=LIMITS, clock=clock, sleep=clock.sleep)
    session._transport = server  # type: ignore[assignment] # the one part that isn't real
    return session


def together(work: Callable[[], object], count: int = 8) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("error", [Unreachable("x"), ServerFault("x"), RateLimited("x")])
def test_a_passing_failure_is_tried_again_after_a_jittered_pause(
    server: Server, session: Session, error: StrongroomError
) -> None:
    pauses = server.clock.pauses
    for _ in range(20):
        server.answers[PATH] = [error, error, {"data": 1}]
        assert session.get(PATH) == {"data": 1}
    assert server.count(PATH) == 60
    assert all(0 <= pause <= LIMITS.retry_base for pause in pauses[::2])
    assert all(0 <= pause <= LIMITS.retry_base * 2 for pause in pauses[1::2])
    assert len(set(pauses)) > 30


def test_attempts_and_pauses_end_with_the_window(server: Server, session: Session) -> None:
    server.took = LIMITS.retry_window / 20
    server.answers[PATH] = [Unreachable("no server")]
    begun = server.clock.now
    with pytest.raises(Unreachable, match="no server"):
        session.get(PATH)
    assert server.count(PATH) > 3
    assert server.clock.now - begun <= LIMITS.retry_window + server.took
    assert max(server.clock.pauses) <= LIMITS.retry_max


def test_an_attempt_may_take_what_is_left_of_the_deadline(server: Server, session: Session) -> None:
    server.took = 4.0
    server.answers[PATH] = [ServerFault("slow")]
    with pytest.raises(ServerFault):
        session.get(PATH)
    assert server.timeouts == [10.0, 6.0]  # the login, then the request


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (Unreachable("x"), {"retry": False}),
        (Unreachable("x"), {"wrap_ttl": 60}),
        (Sealed("x"), {}),
        (RequestRefused("x", status=400), {}),
    ],
)
def test_what_must_not_be_repeated_or_would_not_help_is_sent_once(
    server: Server, session: Session, error: StrongroomError, options: Mapping[str, Any]
) -> None:
    server.answers[PATH] = [error]
    with pytest.raises(type(error)):
        session.post(PATH, {}, **options)
    assert server.count(PATH) == 1
    assert server.clock.pauses == []


def test_a_403_with_a_valid_token_costs_one_question(server: Server, session: Session) -> None:
    server.answers[PATH] = [AccessDenied("denied")]
    with pytest.raises(AccessDenied, match="denied"):
        session.get(PATH)
    assert [path for path, _ in server.seen] == [LOGIN, PATH, LOOKUP]


def test_a_403_with_a_dead_token_costs_one_login(server: Server, session: Session) -> None:
    session.get(PATH)
    server.revoked = {"t1"}
    assert session.get(PATH) == {"data": {}}
    assert server.seen[2:] == [(PATH, "t1"), (LOOKUP, "t1"), (LOGIN, None), (PATH, "t2")]


def test_threads_that_fail_together_log_in_once(server: Server, session: Session) -> None:
    session.get(PATH)
    server.revoked = {"t1"}
    # All eight have asked with the dead token before any of them is told so.
    refused = threading.Barrier(8)
    server.answers[LOOKUP] = [lambda: refused.wait(5)]
    together(lambda: session.get(PATH))
    assert server.count(LOGIN) == 2
    assert Counter(server.seen)[PATH, "t2"] == 8


def test_threads_that_come_first_together_log_in_once(server: Server, session: Session) -> None:
    together(lambda: session.get(PATH))
    assert server.count(LOGIN) == 1


def test_a_renewal_keeps_the_token(server: Server, session: Session) -> None:
    session.get(PATH)
    server.answers[RENEW] = [auth("t1", TTL - 1)]
    session._renew()
    session.get(PATH)
    assert session._token is not None
    assert session._token.ttl == TTL - 1
    assert server.seen[-1] == (PATH, "t1")
    assert server.count(LOGIN) == 1


@pytest.mark.parametrize(
    "answer",
    [
        AccessDenied("permission denied"),
        RequestRefused("lease expired", status=400),
        ServerFault("past its end, a server answers 500"),
        auth("t1", int(TTL * LIMITS.renew_at) - 1),
    ],
    ids=["denied", "refused", "500", "cut short"],
)
def test_a_renewal_that_fails_or_is_cut_short_leads_to_a_login(
    server: Server, session: Session, answer: Answer
) -> None:
    session.get(PATH)
    server.answers[RENEW] = [answer]
    session._renew()
    session.get(PATH)
    assert server.seen[-1] == (PATH, "t2")
    assert server.count(LOGIN) == 2


@pytest.mark.parametrize("answer", [auth("t1"), AccessDenied("x"), auth("t1", 1)])
def test_closing_during_a_renewal_leaves_no_token(
    server: Server, session: Session, answer: Answer
) -> None:
    session.get(PATH)

    def close_meanwhile() -> Answer:
        session.close()
        if isinstance(answer, StrongroomError):
            raise answer
        return answer

    server.answers[RENEW] = [close_meanwhile]
    with suppress(AuthenticationFailed):  # the session was closed; only some answers lead there
        session._renew()
    assert session._token is None
    assert server.count(LOGIN) == 1
    assert server.seen[-1] == (REVOKE, "t1")


def test_closing_during_the_login_gives_that_token_back(server: Server, session: Session) -> None:
    def close_meanwhile() -> Answer:
        session.close()
        return auth("t1")

    server.answers[LOGIN] = [close_meanwhile]
    with pytest.raises(AuthenticationFailed, match="closed"):
        session.get(PATH)
    assert session._token is None
    assert [path for path, _ in server.seen] == [LOGIN, REVOKE]


def test_a_closed_session_does_not_log_in_again(server: Server, session: Session) -> None:
    session.get(PATH)
    session.close()
    with pytest.raises(AuthenticationFailed, match="open another"):
        session.get(PATH)
    assert server.count(LOGIN) == 1


def test_closing_is_brief_and_quiet_when_the_server_is_away(
    server: Server, session: Session
) -> None:
    session.get(PATH)
    server.answers[REVOKE] = [Unreachable("x")]
    session.close()
    session.close()
    assert server.count(REVOKE) == 1
    assert server.clock.pauses == []


def test_a_token_that_was_given_is_used_as_it_is_and_not_revoked(server: Server) -> None:
    session = on(server, GivenToken(Secret("given")))
    session.get(PATH)
    session.close()
    assert server.seen == [(PATH, "given")]


@pytest.mark.parametrize(
    "answer", [RequestRefused("invalid role or secret ID", status=400), AccessDenied("x")]
)
def test_a_used_up_secret_id_says_what_to_do_and_shows_nothing(
    server: Server, session: Session, answer: StrongroomError
) -> None:
    server.answers[LOGIN] = [answer]
    with pytest.raises(AuthenticationFailed, match="issue a new secret-id") as caught:
        session.get(PATH)
    assert "http://vault" in str(caught.value)
    assert SECRET_ID not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert server.count(LOGIN) == 1


def test_a_replaced_secret_id_is_used_at_the_next_login(
    server: Server, session: Session, approle: AppRole
) -> None:
    session.get(PATH)
    approle.secret_id_file.write_text("another")
    server.revoked = {"t1"}
    session.get(PATH)
    used = [body["secret_id"] for body in server.bodies if body]
    assert used == [SECRET_ID, "another"]
