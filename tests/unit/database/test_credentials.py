"""Decisions about leases and users, without a server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app_integration._internal.background_worker import BackgroundWorker
from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.database.credentials import Credentials, is_refused
from app_integration.database.external_credentials import in_file, in_secret
from app_integration.database.lease import (
    RETRY_PAUSE,
    Lease,
    can_be_renewed,
    due_at,
    has_ended,
    retry_at,
)
from app_integration.database.leased_credentials import LeasedCredentials
from app_integration.errors import (
    AuthenticationFailed,
    ConfigRejected,
    ConfigurationError,
    Unreachable,
)
from app_integration.names import Environment, Scope
from app_integration.observability import redaction
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits, Settings
from tests.support.servers.scripted_server import Pauses

LEASE = Lease(
    username="v-1",
    password=Secret("of the lease"),
    lease_id="database/creds/shop-dev/1",
    issued_at=1000.0,
    ttl=100.0,
    term=100.0,
    renewable=True,
    token=1,
)


def test_a_lease_ends_when_its_time_is_over_and_not_before() -> None:
    assert not has_ended(LEASE, 1099.9)
    assert has_ended(LEASE, 1100.0)


@pytest.mark.parametrize(
    ("lease", "token", "renewed"),
    [
        (LEASE, 1, True),
        (replace(LEASE, renewable=False), 1, False),
        (replace(LEASE, ttl=99.0), 1, False),  # cut short: near the maximum
        (LEASE, 2, False),  # the session logged in again: the lease dies with the old token
    ],
)
def test_what_can_be_renewed_and_what_must_be_followed(
    lease: Lease, token: int, renewed: bool
) -> None:
    assert can_be_renewed(lease, token) is renewed


def test_a_lease_is_acted_on_at_its_share_or_a_tenth_earlier() -> None:
    assert due_at(LEASE, Limits(), 0.0) == 1060.0
    assert due_at(LEASE, Limits(), 1.0) == 1054.0


@pytest.mark.parametrize(
    ("left", "pause"), [(90.0, 22.5), (3600.0, RETRY_PAUSE), (2.0, 1.0), (0.0, RETRY_PAUSE)]
)
def test_an_outage_is_outwaited_in_a_few_attempts_before_the_end(left: float, pause: float) -> None:
    now = LEASE.issued_at + LEASE.ttl - left
    assert retry_at(LEASE, now) == now + pause


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ('FATAL:  password authentication failed for user "v-1"', True),
        ('FATAL:  role "v-1" does not exist', True),
        ('FATAL:  role "v-1" is not permitted to log in', True),
        ('FATAL:  role "v-12" does not exist', False),
        ('FATAL:  database "shop" does not exist', False),
        ("connection refused", False),
    ],
)
def test_only_the_user_s_own_refusal_asks_for_another_user(text: str, refused: bool) -> None:
    assert is_refused(psycopg.OperationalError(text), LEASE) is refused


def test_a_password_that_is_wrong_everywhere_is_asked_for_once_more_and_no_oftener() -> None:
    asked: list[bool] = []

    def get(stale: bool) -> Secret:
        asked.append(stale)
        return Secret("postgresql://ada:p%40ss@db/shop")

    def open_(login: Credentials) -> None:
        assert login == Credentials("ada", Secret("p@ss"))
        raise psycopg.OperationalError('password authentication failed for user "ada"')

    users = in_secret(get, "database-url")
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            users.connect(open_)
    assert asked == [False, True] * 2


@pytest.mark.parametrize("url", ["postgresql://db/shop", "postgresql://ada@db/shop", "nothing"])
def test_a_secret_without_user_or_password_is_refused_by_name(url: str) -> None:
    with pytest.raises(ConfigurationError, match="the secret reports-url is no URL with a user"):
        in_secret(lambda _stale: Secret(url), "reports-url").current()


@pytest.mark.parametrize("text", ['{"username": "a"}', '{"username": "a", "password": 7}', "[]"])
def test_a_delivered_file_without_user_or_password_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "database.json"
    file.touch(0o600)
    file.write_text(text)
    with pytest.raises(ConfigRejected):
        in_file(file)


def test_a_delivered_password_is_known_to_redaction(tmp_path: Path) -> None:
    file = tmp_path / "database.json"
    file.touch(0o600)
    file.write_text('{"username": "ada", "password": "a-password-of-a-file"}')
    assert in_file(file).current().username == "ada"
    assert redaction.live.scrub("a-password-of-a-file") == "[REDACTED]"


def test_leases_are_tended_again_whatever_went_wrong(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(LeasedCredentials):
        times = 0

        def __init__(self) -> None:
            """Without a session."""

        def __del__(self) -> None:
            """Nothing is held."""

        def maintain(self) -> float:
            self.times += 1
            raise RuntimeError("hunter2-hunter2")

    users = Failing()
    worker = BackgroundWorker(users.maintain, "database-leases")
    worker._run(Pauses(3, worker), 0.0)
    assert users.times == 3
    assert "database-leases: RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text


def test_nobody_waits_for_the_address_that_another_asks_for() -> None:
    asked, answer = threading.Event(), threading.Event()

    class Away:
        def send(self, *_: object, **__: object) -> dict[str, Any]:
            asked.set()
            assert answer.wait(10)
            raise Unreachable("away", not_sent=True)

        def close(self) -> None:
            """Nothing is open."""

    scope = Scope("shop", Environment.PROD)
    session = Session(
        "https://vault", StaticToken(Secret("given")), limits=Limits(retry_window=0.0), connect=Away
    )
    client = Client(
        Settings(scope, "https://vault", limits=Limits(retry_window=0.0)), session=session
    )
    with ThreadPoolExecutor(2) as threads:
        engine = threads.submit(client.engine, None, None)
        assert asked.wait(10)
        cipher = threads.submit(client.cipher, "pii").result(10)
        assert client.cipher("pii") is cipher
        answer.set()
        with pytest.raises(Unreachable):
            engine.result()
    client.close()


def test_what_was_closed_before_it_logged_in_does_not_log_in_later() -> None:
    """A thread may hold the client that another closes; nobody would give that token back."""
    client = Client(Settings(Scope("shop", Environment.PROD), "https://vault"))
    client.close()
    with pytest.raises(AuthenticationFailed, match="closed meanwhile"):
        client.secrets.get("jwt-secret")
