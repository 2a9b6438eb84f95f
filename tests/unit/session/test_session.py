"""Login, retries and renewal against a scripted server, with a clock that the test advances."""

from __future__ import annotations

import math
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

import certifi
import pytest

from app_integration._internal import fork_safety
from app_integration._internal.background_worker import BackgroundWorker
from app_integration.auth.agent import Proxy
from app_integration.auth.methods import AppRole, StaticToken, Token
from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConfigurationError,
    RateLimited,
    RequestRefused,
    Sealed,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.observability import metrics
from app_integration.observability.recorder import NullRecorder
from app_integration.secret import Secret
from app_integration.session.connection import Connection
from app_integration.session.retry import single_attempt
from app_integration.session.session import Session
from app_integration.settings import Limits
from tests.support.servers.scripted_server import (
    LOGIN,
    LOOKUP,
    RENEW,
    REVOKE,
    TTL,
    Answer,
    Pauses,
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
    return Session(
        "http://vault",
        login,
        limits=LIMITS,
        clock=clock,
        sleep=clock.sleep,
        connect=lambda: server,  # the only fake part
    )


def together(work: Callable[[], object], count: int = 8) -> None:
    with ThreadPoolExecutor(count) as pool:
        for ended in [pool.submit(work) for _ in range(count)]:
            ended.result()


def test_denied_request_through_a_proxy_is_sent_again_if_its_token_came_meanwhile(
    server: Server,
) -> None:
    server.answers[PATH] = [AccessDenied("without a token"), {"data": 1}]
    with on(server, Proxy()) as session:
        assert session.get(PATH) == {"data": 1}
        assert [path for path, _ in server.seen] == [PATH, LOOKUP, PATH]
        server.answers[PATH] = [AccessDenied("by the policy")]
        for _ in range(2):
            with pytest.raises(AccessDenied):
                session.get(PATH)
    assert server.count(PATH) == 2 + 2 + 1


def test_denied_request_through_a_proxy_without_a_token_names_the_agent(server: Server) -> None:
    server.answers = {each: [AccessDenied("without a token")] for each in (PATH, LOOKUP)}
    with (
        on(server, Proxy()) as session,
        pytest.raises(AuthenticationFailed, match="check that the agent whose proxy"),
    ):
        session.get(PATH)


@pytest.mark.parametrize("error", [Unreachable("x"), ServerFault("x"), RateLimited("x")])
def test_request_after_transient_error_is_retried_with_jittered_backoff(
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


def test_retries_end_with_retry_window(server: Server, session: Session) -> None:
    server.took = LIMITS.retry_window / 20
    server.answers[PATH] = [Unreachable("no server")]
    begun = server.clock.now
    with pytest.raises(Unreachable, match="no server"):
        session.get(PATH)
    assert server.count(PATH) > 3
    assert server.clock.now - begun <= LIMITS.retry_window + server.took
    assert max(server.clock.pauses) <= LIMITS.retry_max


def test_retry_may_take_rest_of_deadline(server: Server, session: Session) -> None:
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
def test_request_that_must_not_be_repeated_is_sent_once(
    server: Server, session: Session, error: StrongroomError, options: Mapping[str, Any]
) -> None:
    server.answers[PATH] = [error]
    with pytest.raises(type(error)):
        session.post(PATH, {}, **options)
    assert server.count(PATH) == 1
    assert server.clock.pauses == []


def test_single_attempt_is_not_repeated(server: Server, session: Session) -> None:
    server.answers[PATH] = [Unreachable("no server")]
    with single_attempt(True), pytest.raises(Unreachable):
        session.get(PATH)
    assert server.count(PATH) == 1
    with single_attempt(False), pytest.raises(Unreachable):
        session.get(PATH)
    assert server.count(PATH) > 2


def test_403_with_valid_token_sends_one_lookup(server: Server, session: Session) -> None:
    server.answers[PATH] = [AccessDenied("denied")]
    with pytest.raises(AccessDenied, match="denied"):
        session.get(PATH)
    assert [path for path, _ in server.seen] == [LOGIN, PATH, LOOKUP]


def test_403_with_expired_token_sends_one_login(server: Server, session: Session) -> None:
    session.get(PATH)
    server.revoked = {"t1"}
    assert session.get(PATH) == {"data": {}}
    assert server.seen[2:] == [(PATH, "t1"), (LOOKUP, "t1"), (LOGIN, None), (PATH, "t2")]


def test_threads_with_expired_token_log_in_once(server: Server, session: Session) -> None:
    session.get(PATH)
    server.revoked = {"t1"}
    # All eight have sent the expired token before any of them gets its 403.
    refused = threading.Barrier(8)
    server.answers[LOOKUP] = [lambda: refused.wait(20)]
    together(lambda: session.get(PATH))
    assert server.count(LOGIN) == 2
    assert Counter(server.seen)[PATH, "t2"] == 8


def test_threads_without_token_log_in_once(server: Server, session: Session) -> None:
    together(lambda: session.get(PATH))
    assert server.count(LOGIN) == 1


def test_renewal_keeps_token(server: Server, session: Session) -> None:
    session.get(PATH)
    server.answers[RENEW] = [auth("t1", TTL - 1)]
    session._renewer.renew_once()
    session.get(PATH)
    assert session._tokens.cached_token is not None
    assert session._tokens.cached_token.ttl == TTL - 1
    assert server.seen[-1] == (PATH, "t1")
    assert server.count(LOGIN) == 1


def test_renewal_thread_survives_unexpected_response(
    server: Server, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    session.get(PATH)
    worker = session._renewer.worker
    server.answers[RENEW] = [{}, auth("t1")]
    worker._run(Pauses(2, worker), 0.0)
    assert server.count(RENEW) == 2
    assert "could not renew the Vault token" in caplog.text
    assert "auth/token/renew-self: unexpected response" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        AccessDenied("permission denied"),
        RequestRefused("lease expired", status=400),
        auth("t1", int(TTL * LIMITS.renew_at) - 1),
    ],
    ids=["denied", "refused", "cut short"],
)
def test_renewal_that_fails_or_is_capped_leads_to_login(
    server: Server, session: Session, answer: Answer
) -> None:
    session.get(PATH)
    server.answers[RENEW] = [answer]
    session._renewer.renew_once()
    session.get(PATH)
    assert server.seen[-1] == (PATH, "t2")
    assert server.count(LOGIN) == 2


def test_renewal_with_500_leads_to_login_only_if_token_expired(
    server: Server, session: Session
) -> None:
    session.get(PATH)
    server.answers[RENEW] = [ServerFault("no leader")]
    with pytest.raises(ServerFault):
        session._renewer.renew_once()
    assert server.count(LOGIN) == 1
    server.answers[LOOKUP] = [AccessDenied("past its end")]
    session._renewer.renew_once()
    session.get(PATH)
    assert server.seen[-1] == (PATH, "t2")
    assert server.count(LOGIN) == 2


@pytest.mark.parametrize("answer", [auth("t1"), AccessDenied("x"), auth("t1", 1)])
def test_close_during_renewal_leaves_no_token(
    server: Server, session: Session, answer: Answer
) -> None:
    session.get(PATH)

    def close_meanwhile() -> Answer:
        session.close()
        if isinstance(answer, StrongroomError):
            raise answer
        return answer

    server.answers[RENEW] = [close_meanwhile]
    with suppress(AuthenticationFailed):  # as only some responses lead to a login
        session._renewer.renew_once()
    assert session._tokens.cached_token is None
    assert server.count(LOGIN) == 1
    assert server.seen[-1] == (REVOKE, "t1")


def test_close_during_login_revokes_its_token(server: Server, session: Session) -> None:
    def close_meanwhile() -> Answer:
        session.close()
        return auth("t1")

    server.answers[LOGIN] = [close_meanwhile]
    with pytest.raises(AuthenticationFailed, match="closed"):
        session.get(PATH)
    assert session._tokens.cached_token is None
    assert [path for path, _ in server.seen] == [LOGIN, REVOKE]


def test_closed_session_opens_again_at_the_next_request(server: Server, session: Session) -> None:
    reopened: list[bool] = []
    session.on_reopen = lambda: reopened.append(True)
    for _ in range(3):
        session.get(PATH)
        session.get(PATH)
        session.close()
    assert (server.count(LOGIN), server.count(REVOKE), len(reopened)) == (3, 3, 2)


def get_in_background(session: Session) -> str:
    """Return the outcome of a request in a thread of the SDK."""
    outcomes: queue.SimpleQueue[object] = queue.SimpleQueue()

    def work() -> float:
        try:
            outcomes.put(session.get(PATH))
        except AuthenticationFailed as error:
            outcomes.put(error)
        return math.inf

    worker = BackgroundWorker(work, "test")
    worker.wake()
    outcome = str(outcomes.get(timeout=5))
    worker.close()
    return outcome


def test_closed_session_does_not_open_again_for_a_background_thread(
    server: Server, session: Session
) -> None:
    """Otherwise a thread that was at work during a close would log in, and nothing would revoke."""
    session.get(PATH)
    session.close()
    assert "was closed during this call" in get_in_background(session)
    assert server.count(LOGIN) == 1
    session.get(PATH)
    assert get_in_background(session) == "{'data': {}}"


def test_request_under_way_at_a_close_opens_the_session_for_no_thread(
    server: Server, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session._tokens, "check_open", session.close)  # just before its login
    with pytest.raises(AuthenticationFailed, match="closed"):
        session.get(PATH)
    assert "closed" in get_in_background(session)
    assert server.count(LOGIN) == 0


def test_request_between_two_concurrent_closes_leaves_no_token(
    server: Server, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_done = threading.Event()

    def close_and_use() -> None:
        session.close()
        session.get(PATH)
        is_done.set()

    other = threading.Thread(target=close_and_use)

    def delayed(*arguments: Any) -> Connection:
        if not other.ident:
            other.start()
            is_done.wait(0.3)  # seconds
        return Connection(*arguments)

    session.get(PATH)
    monkeypatch.setattr("app_integration.session.session.Connection", delayed)
    session.close()
    other.join()
    session.close()
    assert (server.count(LOGIN), server.count(REVOKE)) == (2, 2)


def test_close_with_server_unavailable_is_short_and_raises_nothing(
    server: Server, session: Session
) -> None:
    session.get(PATH)
    server.answers[REVOKE] = [Unreachable("x")]
    session.close()
    session.close()
    assert server.count(REVOKE) == 1
    assert server.clock.pauses == []


def test_static_token_is_used_and_not_revoked(server: Server) -> None:
    session = on(server, StaticToken(Secret("given")))
    session.get(PATH)
    session.close()
    assert server.seen == [(PATH, "given")]


@pytest.mark.parametrize(
    "answer", [RequestRefused("invalid role or secret ID", status=400), AccessDenied("x")]
)
def test_login_with_used_up_secret_id_says_what_to_do_without_secret(
    server: Server, session: Session, answer: StrongroomError
) -> None:
    server.answers[LOGIN] = [answer]
    with pytest.raises(AuthenticationFailed, match="issue a new secret-id") as caught:
        session.get(PATH)
    assert "http://vault" in str(caught.value)
    assert SECRET_ID not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert server.count(LOGIN) == 1


def test_login_denied_names_the_lockout_of_the_role(server: Server, session: Session) -> None:
    server.answers[LOGIN] = [AccessDenied("x")]
    with pytest.raises(AuthenticationFailed, match=r"disable the lockout of auth/approle$"):
        session.get(PATH)


def test_login_uses_replaced_secret_id(server: Server, session: Session, approle: AppRole) -> None:
    session.get(PATH)
    approle.secret_id_file.write_text("another")
    server.revoked = {"t1"}
    session.get(PATH)
    used = [body["secret_id"] for body in server.bodies if body]
    assert used == [SECRET_ID, "another"]


def test_login_refused_is_not_repeated_during_backoff(server: Server, session: Session) -> None:
    server.answers[LOGIN] = [RequestRefused("invalid", status=400)]
    for _ in range(100):
        with pytest.raises(AuthenticationFailed, match="issue a new secret-id"):
            session.get(PATH)
        server.clock.now += 1.0
    # 100 calls in 100 s: backoffs of 1 s, doubling to 30 s, each halved at most.
    assert 5 <= server.count(LOGIN) <= 12
    assert server.count(PATH) == 0
    del server.answers[LOGIN]
    server.clock.now += LIMITS.login_retry_max
    assert session.get(PATH) == {"data": {}}


def test_token_without_lookup_right_is_not_replaced_at_each_denial(
    server: Server, session: Session
) -> None:
    server.answers[PATH] = [AccessDenied("denied")]
    server.answers[LOOKUP] = [AccessDenied("no policy grants it")]
    for _ in range(50):
        with pytest.raises(AccessDenied):
            session.get(PATH)
    assert server.count(LOGIN) == 2


def test_429_is_retried_after_retry_after(server: Server, session: Session) -> None:
    server.answers[PATH] = [RateLimited("x", retry_after=3.0), {"data": 1}]
    begun = server.clock.now
    assert session.get(PATH) == {"data": 1}
    assert 3.0 <= server.clock.now - begun <= 3.0 + LIMITS.retry_base


def test_429_with_retry_after_beyond_deadline_fails_at_once(
    server: Server, session: Session
) -> None:
    server.answers[PATH] = [RateLimited("x", retry_after=60.0)]
    with pytest.raises(RateLimited):
        session.get(PATH)
    assert (server.count(PATH), server.clock.pauses) == (1, [])


def test_session_ignores_wall_clock(
    server: Server, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> float:
        raise AssertionError

    # A Prometheus counter stores when it was created.
    monkeypatch.setattr(metrics.state, "recorder", NullRecorder())
    monkeypatch.setattr("time.time", none)
    session.get(PATH)
    session._renewer.renew_once()
    assert server.count(LOGIN) == 1


@pytest.mark.parametrize("step", [300.0, -300.0])
def test_clock_step_causes_no_login_and_at_most_one_error(
    server: Server, session: Session, step: float
) -> None:
    for _ in range(20):
        server.clock.now += step
        assert session.get(PATH) == {"data": {}}
    assert server.count(LOGIN) == 1
    # A step during a call either exceeds its deadline or has no effect.
    server.answers[PATH] = [lambda: _stepped(server, step), {"data": 1}]
    try:
        assert session.get(PATH) == {"data": 1}
    except Unreachable:
        assert step > 0
    assert session.get(PATH) == {"data": 1}


def _stepped(server: Server, step: float) -> Any:
    server.clock.now += step
    raise Unreachable("x")


def test_login_uses_connection_of_its_own(approle: AppRole) -> None:
    made: list[Server] = []

    def connect() -> Server:
        made.append(Server())
        return made[-1]

    with Session("http://vault", approle, connect=connect) as session:
        session.get(PATH)
    first, second = made
    assert [path for path, _ in first.seen] == [PATH, REVOKE]
    assert [path for path, _ in second.seen] == [LOGIN]


@pytest.mark.parametrize(
    ("error", "counted", "warned"),
    [
        (Unreachable("cut"), 1, 1),
        (ServerFault("x"), 1, 0),
        (Unreachable("no connection", not_sent=True), 0, 0),
        (RateLimited("x"), 0, 0),
    ],
)
def test_lease_with_lost_response_is_counted(
    server: Server,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: StrongroomError,
    counted: int,
    warned: int,
) -> None:
    done: list[tuple[str, str]] = []
    recorder = NullRecorder()
    monkeypatch.setattr(recorder, "record_operation", lambda *each: done.append(each))
    metrics.set_recorder(recorder)
    path = "database/creds/shop-prod"
    server.answers[path] = [error, {"lease_id": "x"}]
    assert session.get(path) == {"lease_id": "x"}
    metrics.set_recorder(None)
    assert sum(operation == "orphan-lease" for operation, _ in done) == counted
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert sum("a lease may have been issued" in each for each in warnings) == warned


def test_token_without_ttl_is_not_reported_in_metrics(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[float] = []
    recorder = NullRecorder()
    monkeypatch.setattr(recorder, "record_ttl", lambda _holder, seconds: ends.append(seconds))
    metrics.set_recorder(recorder)
    with on(server, StaticToken(Secret("given"))) as session:
        session.get(PATH)
    metrics.set_recorder(None)
    assert ends == []


def test_forked_child_drops_token_even_without_certificate(
    approle: AppRole, tmp_path: Path
) -> None:
    """Check that the child drops the parent's token, which it would otherwise revoke for both."""
    authority = tmp_path / "ca.pem"
    authority.write_bytes(Path(certifi.where()).read_bytes())
    session = Session("https://127.0.0.1:1", approle, cacert=authority)
    session._tokens.cached_token = Token(Secret("t1"), TTL, renewable=True)
    authority.unlink()
    session.reset_after_fork()
    assert session._tokens.cached_token is None
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        session.get(PATH)


def test_fork_reset_that_fails_does_not_prevent_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_safety, "_targets", WeakSet())

    class Thing:
        forgot = False

        def __init__(self, *, fails: bool) -> None:
            self._fails = fails
            fork_safety.reset_in_child(self)

        def reset_after_fork(self) -> None:
            if self._fails:
                raise OSError("a text that may hold anything")
            self.forgot = True

    things = [Thing(fails=number % 2 == 0) for number in range(4)]
    fork_safety._reset_all()
    assert [thing.forgot for thing in things] == [False, True] * 2
    assert "could not reset Thing after a fork: OSError" in caplog.text
    assert "anything" not in caplog.text


def test_new_secret_id_in_its_file_is_used_at_the_next_request(
    server: Server, session: Session, tmp_path: Path
) -> None:
    session.get(PATH)
    (tmp_path / "secret-id").write_text("another secret-id")
    session.get(PATH)
    session.get(PATH)
    assert session.login_count == 2
    assert server.count(LOGIN) == 2


def test_new_secret_id_that_is_rejected_leaves_the_token_in_use(
    server: Server, session: Session, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session.get(PATH)
    server.answers[LOGIN] = [AccessDenied("permission denied")]
    (tmp_path / "secret-id").write_text("a wrong secret-id")
    session.get(PATH)
    session.get(PATH)
    assert session.login_count == 1
    assert [each.getMessage()[:35] for each in caplog.records if each.levelname == "ERROR"] == [
        "the new credential is not used, and"
    ]


def test_new_secret_id_while_logins_fail_is_tried_again_after_a_backoff(
    server: Server, session: Session, tmp_path: Path
) -> None:
    session.get(PATH)
    server.answers[LOGIN] = [ServerFault("x")]
    (tmp_path / "secret-id").write_text("another secret-id")
    for _ in range(10):
        session.get(PATH)
    assert (server.count(LOGIN), session.login_count) == (2, 1)
    del server.answers[LOGIN]
    server.clock.now += LIMITS.login_retry_base
    session.get(PATH)
    assert session.login_count == 2
