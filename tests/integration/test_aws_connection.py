"""Requests to AWS: errors by code, one deadline, and what botocore may log."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

import pytest

from app_integration import errors
from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from app_integration.observability import metrics
from app_integration.observability.recorder import Recorder
from app_integration.settings import Limits
from tests.support.deadlines import assert_ends_within
from tests.support.servers import aws_fault_server as faults
from tests.support.servers.aws_fault_server import AwsFaultServer, Fault, aws_fault_server
from tests.support.servers.moto_server import IDENTITY, REGION, set_identity

VALUE: Final = "hunter2-and-more"
LIMITS: Final = Limits(deadline=2.0, retry_window=0.3, retry_base=0.01, retry_max=0.02)
#: For a connection whose first request is measured with the building of its client, which takes
#: seconds on a busy machine.
COLD: Final = replace(LIMITS, deadline=20.0)
NAME: Final = "parcels/prod/api-key"
READ: Final = AwsRequest(
    "secretsmanager",
    "GetSecretValue",
    NAME,
    {"SecretId": NAME, "VersionStage": "AWSCURRENT"},
    ("SecretString", "VersionId"),
)
ANSWER: Final = {"SecretString": VALUE, "VersionId": "v" * 32, "Name": NAME}


@pytest.fixture(autouse=True)
def _identity(monkeypatch: pytest.MonkeyPatch) -> None:
    set_identity(monkeypatch)


@pytest.fixture(scope="module")
def running_server() -> Iterator[AwsFaultServer]:
    with aws_fault_server() as running:
        yield running


@pytest.fixture
def server(running_server: AwsFaultServer) -> AwsFaultServer:
    running_server.forget()
    return running_server


@pytest.fixture(scope="module")
def connection(running_server: AwsFaultServer) -> Iterator[AwsConnection]:
    """Yield a connection whose client is built, which takes longer than the requests here."""
    url = running_server.url
    with (
        pytest.MonkeyPatch.context() as patch,
        closing(AwsConnection(REGION, development=True, endpoint=url, limits=LIMITS)) as opened,
    ):
        set_identity(patch)
        running_server.faults["ListSecrets"] = [Fault(body={})]
        opened.call(AwsRequest("secretsmanager", "ListSecrets", "", {}), time.monotonic() + 20.0)
        yield opened


def test_call_returns_the_response(server: AwsFaultServer, connection: AwsConnection) -> None:
    server.faults["GetSecretValue"] = [Fault(body=ANSWER)]
    response = connection.call(READ)
    assert response["SecretString"] == VALUE
    assert VALUE not in repr(response)
    assert server.operations == ["GetSecretValue"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.throttled(), errors.RateLimited),
        (faults.denied("secretsmanager:GetSecretValue", "arn:aws:x"), errors.AccessDenied),
        (faults.refused("403", status=403), errors.AccessDenied),
        (faults.expired_token(), errors.AuthenticationFailed),
        (faults.refused("UnrecognizedClientException"), errors.AuthenticationFailed),
        (faults.disabled_key("arn:aws:kms"), errors.KeyUnavailable),
        (faults.pending_deletion("arn:aws:kms"), errors.KeyUnavailable),
        (faults.refused("DecryptionFailure"), errors.KeyUnavailable),
        (faults.refused("ResourceNotFoundException"), errors.RequestRefused),
        (faults.incorrect_key(), errors.RequestRefused),
        (faults.failing(), errors.ServerFault),
        (faults.dripping(ANSWER), errors.DeadlineExceeded),
        (faults.cut(ANSWER), errors.Unreachable),
        (faults.cut(ANSWER, has_length=False), errors.UnexpectedAnswer),
        (Fault(body={"Name": NAME}), errors.UnexpectedAnswer),
    ],
)
def test_call_with_a_fault_raises_its_error_in_time(
    server: AwsFaultServer,
    connection: AwsConnection,
    fault: Fault,
    kind: type[errors.StrongroomError],
) -> None:
    server.faults["GetSecretValue"] = [fault]

    def fail() -> None:
        with pytest.raises(kind) as caught:
            connection.call(READ)
        assert type(caught.value) is kind
        assert NAME in str(caught.value)
        assert VALUE[:4] not in f"{caught.value!r}"
        assert caught.value.__cause__ is None

    assert_ends_within(LIMITS.deadline * 1.1, fail)


def test_call_after_throttling_is_repeated(
    server: AwsFaultServer, connection: AwsConnection
) -> None:
    server.faults["GetSecretValue"] = [faults.throttled(), faults.failing(), Fault(body=ANSWER)]
    assert connection.call(READ)["SecretString"] == VALUE
    assert server.operations == ["GetSecretValue"] * 3


class Requests(Recorder):
    """A recorder of requests and their durations."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.durations: list[float] = []

    def record_operation(self, operation: str, outcome: str) -> None:
        self.outcomes.append(f"{operation} {outcome}")

    def record_duration(self, seconds: float) -> None:
        self.durations.append(seconds)


def test_call_is_recorded_once_with_its_retries(
    server: AwsFaultServer, connection: AwsConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Requests()
    monkeypatch.setattr(metrics.state, "recorder", recorder)
    server.faults["GetSecretValue"] = [faults.throttled(), Fault(body=ANSWER)]
    connection.call(READ)
    server.faults["GetSecretValue"] = [faults.refused("ResourceNotFoundException")]
    with pytest.raises(errors.RequestRefused):
        connection.call(READ)
    assert recorder.outcomes == ["request ok", "request RequestRefused"]
    assert len(recorder.durations) == 1
    assert 0 < recorder.durations[0] < LIMITS.deadline


def test_call_refused_has_the_code(server: AwsFaultServer, connection: AwsConnection) -> None:
    server.faults["GetSecretValue"] = [faults.refused("ResourceNotFoundException", "no such")]
    with pytest.raises(errors.RequestRefused) as caught:
        connection.call(READ)
    assert caught.value.data == {"code": "ResourceNotFoundException"}
    assert server.operations == ["GetSecretValue"]


def test_call_denied_names_identity_and_action(
    server: AwsFaultServer, connection: AwsConnection
) -> None:
    action = "secretsmanager:GetSecretValue"
    server.faults["GetSecretValue"] = [faults.denied(action, "arn:aws:secretsmanager:x")]
    with pytest.raises(errors.AccessDenied, match=f"assumed-role/app/i-1 .*{action}"):
        connection.call(READ)


def test_call_without_server_is_unreachable() -> None:
    lost = AwsConnection(REGION, development=True, endpoint="http://127.0.0.1:1", limits=LIMITS)
    with pytest.raises(errors.Unreachable, match="EndpointConnectionError") as caught:
        lost.call(READ, time.monotonic() + 5.0)
    assert caught.value.not_sent


def test_abandoned_calls_are_bounded() -> None:
    limits = replace(LIMITS, aws_threads=1)
    # A server of its own, because an abandoned thread may send its request later.
    with aws_fault_server() as server:
        connection = AwsConnection(REGION, development=True, endpoint=server.url, limits=limits)
        server.faults["GetSecretValue"] = [faults.dripping(ANSWER)]
        with pytest.raises(errors.DeadlineExceeded, match="no complete response"):
            connection.call(READ, time.monotonic() + 0.2)
        with pytest.raises(errors.DeadlineExceeded, match="aws_threads"):
            connection.call(READ, time.monotonic() + 0.1)


def test_debug_log_of_botocore_shows_no_value(
    server: AwsFaultServer, connection: AwsConnection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="botocore")
    server.faults["GetSecretValue"] = [Fault(body=ANSWER)]
    server.faults["PutSecretValue"] = [Fault(body={"VersionId": "v" * 32})]
    connection.call(READ)
    written: dict[str, Any] = {"SecretId": NAME, "SecretString": f"new-{VALUE}"}
    connection.call(AwsRequest("secretsmanager", "PutSecretValue", NAME, written))
    assert "Response body" in caplog.text
    assert VALUE not in caplog.text
    assert IDENTITY["AWS_SESSION_TOKEN"] not in caplog.text


def test_expired_identity_is_looked_for_again(
    server: AwsFaultServer, connection: AwsConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults["GetSecretValue"] = [faults.expired_token(), Fault(body=ANSWER)]
    with pytest.raises(errors.AuthenticationFailed, match="ExpiredTokenException"):
        connection.call(READ)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "renewed")
    assert connection.call(READ)["SecretString"] == VALUE


def test_access_key_outside_development_is_refused(
    server: AwsFaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    strict = AwsConnection(REGION, endpoint=server.url, limits=COLD)
    for _ in range(2):
        with pytest.raises(errors.ConfigurationError, match="an access key, which is for dev"):
            strict.call(READ)
    assert server.operations == []


def test_endpoint_without_tls_outside_development_is_refused(server: AwsFaultServer) -> None:
    strict = AwsConnection(REGION, endpoint=server.url, limits=COLD)
    for _ in range(2):
        with pytest.raises(errors.ConfigurationError, match="without TLS"):
            strict.call(READ)
    assert server.operations == []


def test_process_without_credentials_fails_to_authenticate(
    server: AwsFaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    connection = AwsConnection(REGION, development=True, endpoint=server.url)
    with pytest.raises(errors.AuthenticationFailed, match="IAM role"):
        connection.call(READ)
