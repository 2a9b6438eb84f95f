"""A wrapped secret-id on a real server: it is checked, unwrapped once, and its theft is noticed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app_integration.auth.wrapped_approle import WrappedAppRole
from app_integration.errors import AuthenticationFailed, CredentialStolen
from app_integration.observability import metrics
from app_integration.observability.recorder import NullRecorder
from app_integration.session.session import Session
from app_integration.settings import Limits
from app_integration.transport.http import Transport
from app_integration.transport.request import Request, Response
from tests.support.servers.audited_server import AuditedServer
from tests.support.servers.tcp_proxy import NetworkConditions, TcpProxy, tcp_proxy

pytestmark = pytest.mark.requires("embedded")

ROLE = "auth/approle/role/shop-dev"
LOGIN = "auth/approle/login"
UNWRAP = "sys/wrapping/unwrap"
SELF = "auth/token/lookup-self"


class Recorded(NullRecorder):
    def __init__(self) -> None:
        self.unwrappings: list[str] = []

    def record_operation(self, operation: str, outcome: str) -> None:
        if operation == "unwrapping":
            self.unwrappings.append(outcome)


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    recorder = Recorded()
    metrics.set_recorder(recorder)
    yield recorder
    metrics.set_recorder(None)


@pytest.fixture
def login(server: AuditedServer, tmp_path: Path) -> WrappedAppRole:
    files = server.approle(tmp_path)
    issue(server, files.secret_id_file)
    return WrappedAppRole("shop-dev", files.role_id_file, files.secret_id_file)


def issue(server: AuditedServer, file: Path, path: str = f"{ROLE}/secret-id") -> str:
    """Write a wrapped response of *path* into *file*; return the wrapping token."""
    wrapped = server.root.post(path, {}, wrap_ttl=60)["wrap_info"]["token"]
    file.write_text(wrapped)
    return str(wrapped)


def open_with(server: AuditedServer, login: WrappedAppRole) -> Session:
    return Session(server.address, login, limits=Limits(login_retry_base=0.0))


def test_wrapped_secret_id_is_unwrapped_once_for_all_logins(
    server: AuditedServer, login: WrappedAppRole, recorded: Recorded
) -> None:
    unwrapped, logins = server.count(UNWRAP), server.count(LOGIN)
    with open_with(server, login) as session:
        seen = {session.get(SELF)["data"]["accessor"]}
        for _ in range(3):
            server.root.post(
                "auth/token/revoke-accessor",
                {"accessor": session.get(SELF)["data"]["accessor"]},
            )
            seen.add(session.get(SELF)["data"]["accessor"])
    assert len(seen) == 4
    assert not login._file.exists()
    assert server.count(UNWRAP) - unwrapped == 1
    assert server.count(LOGIN) - logins == 4
    assert recorded.unwrappings == ["ok"]


def test_wrapped_secret_id_already_unwrapped_raises_credential_stolen_for_good(
    server: AuditedServer,
    login: WrappedAppRole,
    recorded: Recorded,
    caplog: pytest.LogCaptureFixture,
) -> None:
    token = login._file.read_text()
    server.root.post(UNWRAP, {"token": token}, retry=False)
    unwrapped, looked_up = server.count(UNWRAP), server.count("sys/wrapping/lookup")
    with open_with(server, login) as session, caplog.at_level(logging.DEBUG):
        for _ in range(2):
            with pytest.raises(CredentialStolen, match="Treat the secret-id as stolen"):
                session.get(SELF)
        with pytest.raises(CredentialStolen) as caught:
            session.get(SELF)
    assert "destroy the secret-ids of the role shop-dev" in str(caught.value)
    assert [each.levelname for each in caplog.records if "possible theft" in each.message] == [
        "CRITICAL"
    ]
    assert recorded.unwrappings == ["CredentialStolen"]
    assert (server.count(UNWRAP), server.count("sys/wrapping/lookup")) == (unwrapped, looked_up + 1)
    assert not login._file.exists()
    assert token not in caplog.text + str(caught.value)


@pytest.mark.parametrize(
    "path", ["sys/wrapping/wrap", "auth/approle/role/other/secret-id"], ids=["thief", "other role"]
)
def test_wrapping_token_of_another_response_raises_credential_stolen_without_unwrapping(
    server: AuditedServer, login: WrappedAppRole, tmp_path: Path, path: str
) -> None:
    (tmp_path / "other").mkdir()
    server.approle(tmp_path / "other", "other")
    issue(server, login._file, path)
    unwrapped = server.count(UNWRAP)
    with (
        open_with(server, login) as session,
        pytest.raises(CredentialStolen, match=f"created at '{path}'"),
    ):
        session.get(SELF)
    assert server.count(UNWRAP) == unwrapped
    assert not login._file.exists()


def test_wrapped_secret_id_replaced_ends_credential_stolen(
    server: AuditedServer, login: WrappedAppRole
) -> None:
    server.root.post(UNWRAP, {"token": login._file.read_text()}, retry=False)
    with Session(server.address, login) as session:
        with pytest.raises(CredentialStolen):
            session.get(SELF)
        issue(server, login._file)
        assert session.get(SELF)["data"]["accessor"]


class CutResponse(Transport):
    """A sender that loses the response to an unwrapping."""

    proxy: TcpProxy

    def exchange(self, request: Request, **options: Any) -> Response:
        self.proxy.conditions = NetworkConditions(cut_after=0 if request.path == UNWRAP else None)
        return super().exchange(request, **options)


def test_unwrapping_with_lost_response_is_not_repeated(
    server: AuditedServer, login: WrappedAppRole
) -> None:
    unwrapped = server.count(UNWRAP)
    with tcp_proxy(server.address) as proxy:

        def connect() -> CutResponse:
            sender = CutResponse(proxy.address, cacert=None, connect_timeout=1.0)
            sender.proxy = proxy
            return sender

        with Session(proxy.address, login, connect=connect) as session:
            with pytest.raises(AuthenticationFailed, match="unwrapping is never tried twice"):
                session.get(SELF)
            with pytest.raises(AuthenticationFailed):
                session.get(SELF)
    assert server.count(UNWRAP) == unwrapped + 1
