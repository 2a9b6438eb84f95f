"""Expiry and renewal of tokens and secret-ids, counted in the audit log of a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app_integration.auth.methods import AppRole
from app_integration.errors import AccessDenied, AuthenticationFailed, RequestRefused
from app_integration.session.session import Session
from app_integration.settings import Limits
from tests.support.polling import wait_until
from tests.support.servers.audited_server import AuditedServer, audited_server

pytestmark = pytest.mark.requires("embedded")

THREADS = 64
PATH = "secret/data/shop/dev/x"
LOGIN = "auth/approle/login"
LOOKUP = "auth/token/lookup-self"
RENEW = "auth/token/renew-self"
TTL = 2  # seconds
#: Seconds. Longer than TTL, because the test fails if the machine stalls for three fifths of it.
PERIOD = 5
PATIENCE = 20.0  # seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedServer]:
    with audited_server(tmp_path_factory.mktemp("server")) as started:
        started.root.post(PATH, {"data": {"value": "one"}})
        started.allow("shop-dev", PATH)
        yield started


def login(server: AuditedServer, folder: Path, **options: Any) -> AppRole:
    return server.approle(folder, token_policies=["shop-dev"], **options)


def accessor(session: Session) -> str:
    return str(session.get(LOOKUP)["data"]["accessor"])


def revoke(server: AuditedServer, session: Session) -> None:
    token = session._tokens.cached_token
    assert token is not None
    server.root.post("auth/token/revoke-accessor", {"accessor": token.accessor})


def test_64_threads_with_revoked_token_log_in_once(server: AuditedServer, tmp_path: Path) -> None:
    with Session(server.address, login(server, tmp_path)) as session:
        session.get(PATH)
        for _ in range(3):
            revoke(server, session)
            logins, lookups = server.count(LOGIN), server.count(LOOKUP)
            together = threading.Barrier(THREADS)

            def read(_: int, together: threading.Barrier = together) -> Any:
                together.wait()
                return session.get(PATH)["data"]["data"]["value"]

            with ThreadPoolExecutor(THREADS) as pool:
                assert list(pool.map(read, range(THREADS))) == ["one"] * THREADS
            assert server.count(LOGIN) - logins == 1
            assert server.count(LOOKUP) - lookups <= THREADS


def test_denied_path_causes_one_lookup_and_no_login(server: AuditedServer, tmp_path: Path) -> None:
    with Session(server.address, login(server, tmp_path)) as session:
        session.get(PATH)
        logins, lookups = server.count(LOGIN), server.count(LOOKUP)
        with pytest.raises(AccessDenied, match='path "secret/data/other/x"') as caught:
            session.get("secret/data/other/x")
    assert 'capabilities = ["read"]' in str(caught.value)
    assert (server.count(LOGIN), server.count(LOOKUP)) == (logins, lookups + 1)


@pytest.mark.parametrize(
    "options",
    [
        {"token_ttl": TTL, "token_max_ttl": TTL},
        {"token_ttl": TTL, "token_max_ttl": TTL * 2},
        {"token_type": "batch", "token_ttl": TTL},
        {"token_ttl": 1, "token_max_ttl": 1},
    ],
    ids=["max TTL at once", "max TTL later", "batch: not renewable", "final second"],
)
def test_token_that_expires_causes_one_login_per_ttl(
    server: AuditedServer, tmp_path: Path, options: dict[str, Any]
) -> None:
    logins, renewals = server.count(LOGIN), server.count(RENEW)
    with Session(server.address, login(server, tmp_path, **options)) as session:
        begun, read = time.monotonic(), 0
        end = threading.Event()
        while session.login_count < 3:
            assert session.get(PATH)["data"]["data"]["value"] == "one"
            read += 1
            end.wait(0.01)
            assert time.monotonic() - begun < 30
        # Each token is used for at least half its TTL before it is replaced.
        lives = (time.monotonic() - begun) / (options["token_ttl"] / 2)
        assert server.count(LOGIN) - logins == session.login_count
        assert session.login_count <= lives + 2
        assert server.count(RENEW) - renewals <= lives + 2
    assert read > 10


def test_periodic_token_is_renewed_beyond_first_ttl(server: AuditedServer, tmp_path: Path) -> None:
    approle = login(server, tmp_path, token_period=PERIOD)
    logins, renewals = server.count(LOGIN), server.count(RENEW)
    with Session(server.address, approle, limits=Limits(renew_at=0.4)) as session:
        first, begun = accessor(session), time.monotonic()
        wait_until(
            lambda: server.count(RENEW) >= renewals + 3,
            "three renewals, each at four tenths of its life",
        )
        assert time.monotonic() - begun > PERIOD
        assert accessor(session) == first
    assert server.count(LOGIN) == logins + 1


def test_session_closed_during_renewal_leaves_no_token(
    server: AuditedServer, tmp_path: Path
) -> None:
    approle = login(server, tmp_path, token_period=TTL)
    session = Session(server.address, approle, limits=Limits(renew_at=0.01))
    found, renewals = accessor(session), server.count(RENEW)
    wait_until(lambda: server.count(RENEW) > renewals + 4, "renewals in quick succession")
    renewer = session._renewer.worker._thread  # before the close, which replaces it
    session.close()
    with pytest.raises(RequestRefused, match="invalid accessor"):
        server.root.post("auth/token/lookup-accessor", {"accessor": found})
    assert renewer is not None
    renewer.join(PATIENCE)
    assert not renewer.is_alive()


def test_login_with_used_up_secret_id_backs_off(server: AuditedServer, tmp_path: Path) -> None:
    approle = login(server, tmp_path, secret_id_num_uses=1)
    with Session(server.address, approle) as session:
        session.get(PATH)
        revoke(server, session)
        logins, calls = server.count(LOGIN), 0
        begun = time.monotonic()
        while time.monotonic() - begun < 3:
            with pytest.raises(AuthenticationFailed, match="issue a new secret-id"):
                session.get(PATH)
            calls += 1
        # Backoffs of 0.5 s to 1 s, then 1 s to 2 s, then 2 s to 4 s.
        assert 1 <= server.count(LOGIN) - logins <= 3
        assert calls > 100


def test_login_with_new_secret_id_succeeds_after_refusals(
    server: AuditedServer, tmp_path: Path
) -> None:
    approle = login(server, tmp_path, secret_id_num_uses=1)
    limits = Limits(login_retry_base=0.05, login_retry_max=0.2)
    with Session(server.address, approle, limits=limits) as session:
        session.get(PATH)
        revoke(server, session)
        with pytest.raises(AuthenticationFailed) as caught:
            session.get(PATH)
        secret_id = approle.secret_id_file.read_text()
        assert secret_id not in f"{caught.value!r} {caught.value.__cause__!r}"
        login(server, tmp_path)

        def works() -> bool:
            try:
                return bool(session.get(PATH))
            except AuthenticationFailed:
                return False

        wait_until(works, "a login with the new secret-id")
