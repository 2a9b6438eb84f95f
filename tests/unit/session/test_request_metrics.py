"""Metrics of a session's requests: their duration, and the server's certificate."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.errors import StrongroomError
from app_integration.observability import metrics
from app_integration.observability.recorder import Recorder
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits
from tests.support.servers.local_server import Server, serve, write_certificate

HOUR = 3600  # that the certificate is valid


class Requests(Recorder):
    """A recorder of durations and certificates."""

    def __init__(self) -> None:
        self.durations: list[float] = []
        self.certificates: list[tuple[str, float]] = []

    def record_duration(self, seconds: float) -> None:
        self.durations.append(seconds)

    def record_certificate(self, server: str, expires: float) -> None:
        self.certificates.append((server, expires))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Requests:
    """Set and return the recorder of the process."""
    recorder = Requests()
    monkeypatch.setattr(metrics.state, "recorder", recorder)
    return recorder


def open_session(address: str, cacert: Path | None = None) -> Session:
    limits = Limits(deadline=20.0, retry_window=0.0)
    return Session(address, StaticToken(Secret("token")), cacert=cacert, limits=limits)


def test_successful_requests_have_a_duration_and_failed_ones_have_none(recorder: Requests) -> None:
    with serve(Server()) as server:
        session = open_session(server.address)
        for _ in range(2):
            session.get("secret/data/x")
    with pytest.raises(StrongroomError):
        session.get("secret/data/x")
    assert len(recorder.durations) == 2
    assert all(0 < each < 20 for each in recorder.durations)


def test_certificate_of_a_new_connection_is_recorded(recorder: Requests, tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "server.pem")
    with serve(Server(), certificate) as server:
        session = open_session(server.address, certificate)
        session.get("secret/data/x")
    [(address, expires)] = recorder.certificates
    assert f"https://{address}" == server.address
    assert 0 < expires - time.time() < HOUR
