"""Rules for leases and credential providers, tested without a server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from app_integration._internal.background_worker import BackgroundWorker
from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.database.credentials import Credentials, is_auth_failure
from app_integration.database.external_credentials import (
    credentials_from_file,
    credentials_from_secret,
)
from app_integration.database.lease import (
    RETRY_INTERVAL,
    Lease,
    can_be_renewed,
    has_expired,
    renew_at,
    retry_at,
)
from app_integration.database.leased_credentials import LeasedCredentials
from app_integration.errors import (
    ConfigRejected,
    ConfigurationError,
    Unreachable,
)
from app_integration.names import Environment, Scope
from app_integration.observability import redaction
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits, Settings
from app_integration.transport.request import RequestSender, Response
from tests.support.servers.scripted_server import Pauses

LEASE = Lease(
    username="v-1",
    password=Secret("of the lease"),
    lease_id="database/creds/shop-dev/1",
    issued_at=1000.0,
    ttl=100.0,
    initial_ttl=100.0,
    renewable=True,
    login_number=1,
)


def test_has_expired_at_the_end_of_the_ttl_is_true() -> None:
    assert not has_expired(LEASE, 1099.9)
    assert has_expired(LEASE, 1100.0)


@pytest.mark.parametrize(
    ("lease", "login_number", "expected"),
    [
        (LEASE, 1, True),
        (replace(LEASE, renewable=False), 1, False),
        (replace(LEASE, ttl=99.0), 1, False),  # cut short, so near the maximum TTL
        (LEASE, 2, False),  # the lease expires with the old Vault token
    ],
)
def test_can_be_renewed_of_a_lease_cut_short_or_of_an_old_login_is_false(
    lease: Lease, login_number: int, expected: bool
) -> None:
    assert can_be_renewed(lease, login_number) is expected


def test_renew_at_is_a_share_of_the_ttl_up_to_a_tenth_earlier() -> None:
    assert renew_at(LEASE, Limits(), 0.0) == 1060.0
    assert renew_at(LEASE, Limits(), 1.0) == 1054.0


@pytest.mark.parametrize(
    ("left", "interval"),
    [(90.0, 22.5), (3600.0, RETRY_INTERVAL), (2.0, 1.0), (0.0, RETRY_INTERVAL)],
)
def test_retry_at_leaves_a_few_attempts_before_the_lease_expires(
    left: float, interval: float
) -> None:
    now = LEASE.issued_at + LEASE.ttl - left
    assert retry_at(LEASE, now) == now + interval


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('FATAL:  password authentication failed for user "v-1"', True),
        ('FATAL:  role "v-1" does not exist', True),
        ('FATAL:  role "v-1" is not permitted to log in', True),
        ('FATAL:  role "v-12" does not exist', False),
        ('FATAL:  database "shop" does not exist', False),
        ("connection refused", False),
    ],
)
def test_is_auth_failure_is_true_only_for_the_rejected_user(text: str, expected: bool) -> None:
    assert is_auth_failure(psycopg.OperationalError(text), LEASE) is expected


def test_connect_with_a_wrong_password_bypasses_the_cache_once() -> None:
    reads: list[bool] = []

    def get(stale: bool) -> Secret:
        reads.append(stale)
        return Secret("postgresql://ada:p%40ss@db/shop")

    def open_(credentials: Credentials) -> None:
        assert credentials == Credentials("ada", Secret("p@ss"))
        raise psycopg.OperationalError('password authentication failed for user "ada"')

    provider = credentials_from_secret(get, "database-url")
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError):
            provider.connect(open_)
    assert reads == [False, True] * 2


def test_connect_after_a_wrong_password_uses_the_cached_one_in_an_outage() -> None:
    def get(stale: bool) -> Secret:
        if stale:
            raise Unreachable("the server is unavailable")
        return Secret("postgresql://ada:cached@db/shop")

    provider = credentials_from_secret(get, "database-url")
    provider.on_auth_failure(provider.current())
    assert [provider.current() for _ in range(2)] == [Credentials("ada", Secret("cached"))] * 2


@pytest.mark.parametrize(
    "url",
    [
        "redis://:p%40ss@cache/0",
        "REDIS://:p@ss@cache/0",
        "rediss://default:p%40ss@cache/0",
        "unix://:p%40ss@/run/redis.sock",
    ],
)
def test_credentials_from_secret_of_redis_have_the_default_user(url: str) -> None:
    provider = credentials_from_secret(lambda _stale: Secret(url), "redis-url")
    assert provider.current() == Credentials("default", Secret("p@ss"))


def test_credentials_from_secret_of_redis_without_a_login_have_an_empty_password() -> None:
    provider = credentials_from_secret(lambda _stale: Secret("redis://cache/0"), "redis-url")
    assert provider.current() == Credentials("default", Secret(""))


def test_credentials_from_secret_are_read_as_rds_keeps_them() -> None:
    text = '{"username": "ada", "password": "p@ss/word"}'
    provider = credentials_from_secret(lambda _stale: Secret(text), "db")
    assert provider.current() == Credentials("ada", Secret("p@ss/word"))


@pytest.mark.parametrize(
    "url",
    [
        *('{"username": "ada"}', '{"username": "ada", "password": 7}', '{"username": "ada', "{}"),
        *("postgresql://db/shop", "postgresql://ada@db/shop", "nothing"),
        *("postgresql://ada:hidden\uff0f@db/shop", "postgresql://ada:hidden@[db/shop"),
    ],
)
def test_credentials_from_secret_without_user_or_password_names_the_secret(url: str) -> None:
    with pytest.raises(
        ConfigurationError, match="the secret reports-url is no URL or JSON object with a user"
    ) as caught:
        credentials_from_secret(lambda _stale: Secret(url), "reports-url").current()
    assert caught.value.__context__ is None


@pytest.mark.parametrize("text", ['{"username": "a"}', '{"username": "a", "password": 7}', "[]"])
def test_credentials_from_file_without_user_or_password_raises(tmp_path: Path, text: str) -> None:
    file = tmp_path / "database.json"
    file.touch(0o600)
    file.write_text(text)
    with pytest.raises(ConfigRejected):
        credentials_from_file(file)


def test_credentials_from_file_registers_the_password_for_redaction(tmp_path: Path) -> None:
    file = tmp_path / "database.json"
    file.touch(0o600)
    file.write_text('{"username": "ada", "password": "a-password-of-a-file"}')
    assert credentials_from_file(file).current().username == "ada"
    assert redaction.live.scrub("a-password-of-a-file") == "[REDACTED]"


def test_worker_after_an_error_calls_maintain_again(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(LeasedCredentials):
        calls = 0

        def __init__(self) -> None:
            """Create no session."""

        def __del__(self) -> None:
            """Do nothing, because there is no lease."""

        def maintain(self) -> float:
            self.calls += 1
            raise RuntimeError("hunter2-hunter2")

    provider = Failing()
    worker = BackgroundWorker(provider.maintain, "database-leases")
    worker._run(Pauses(3, worker), 0.0)
    assert provider.calls == 3
    assert "database-leases: RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text


def test_engine_waiting_for_its_url_blocks_no_other_thread() -> None:
    requested, response = threading.Event(), threading.Event()

    class Unavailable(RequestSender):
        def exchange(self, *_: object, **__: object) -> Response:
            requested.set()
            assert response.wait(10)
            raise Unreachable("unreachable", not_sent=True)

        def close(self) -> None:
            """Do nothing, because nothing is open."""

    scope = Scope("shop", Environment.PROD)
    session = Session(
        "https://vault",
        StaticToken(Secret("given")),
        limits=Limits(retry_window=0.0),
        connect=Unavailable,
    )
    client = Client(
        Settings(scope, "https://vault", limits=Limits(retry_window=0.0)), session=session
    )
    with ThreadPoolExecutor(2) as threads:
        engine = threads.submit(client.databases.engine, None, None)
        assert requested.wait(10)
        cipher = threads.submit(client.cipher, "pii").result(10)
        assert client.cipher("pii") is cipher
        response.set()
        with pytest.raises(Unreachable):
            engine.result()
    client.close()
