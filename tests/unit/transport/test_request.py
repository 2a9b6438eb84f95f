"""Requests whose response is returned as it is: verbs, query, headers, bytes, status, failover."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app_integration.errors import (
    AccessDenied,
    DeadlineExceeded,
    RequestRefused,
    Sealed,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.mounts import DEFAULT_MOUNTS
from app_integration.testing.ports import free_ports
from app_integration.transport.failover import FailoverTransport
from app_integration.transport.http import Transport
from app_integration.transport.request import Request, Response, WrappedSender
from app_integration.transport.responses import HIDDEN_ERROR, redact_body
from tests.support.servers.local_server import DRIP, Server, serve

TOKEN = "hvs.the-token-itself"
PATIENCE = 20.0  # seconds
DEADLINE = 0.3  # seconds, for a response that does not end
BINARY = bytes(range(256))


def transport(address: str, namespace: str = "") -> Transport:
    return Transport(address, cacert=None, namespace=namespace, connect_timeout=PATIENCE)


def exchange(
    address: str, call: Request, token: str | None = TOKEN, timeout: float = PATIENCE
) -> Response:
    sender = transport(address)
    try:
        return sender.exchange(call, timeout=timeout, token=token)
    finally:
        sender.close()


@pytest.mark.parametrize("method", ["GET", "HEAD", "LIST", "POST", "PUT", "PATCH", "DELETE"])
def test_method_query_headers_and_body_arrive_as_they_are(method: str) -> None:
    call = Request(method, "a/b%20c?version=1&list=true", {"X-Vault-Wrap-TTL": "60"}, BINARY)
    with serve(Server(content=BINARY)) as server:
        response = exchange(server.address, call)
    assert server.seen == [(f"{method} /v1/a/b%20c?version=1&list=true", TOKEN)]
    assert server.bodies == [BINARY]
    assert server.headers[0]["X-Vault-Wrap-TTL"] == "60"
    assert (response.status, response.content) == (200, b"" if method == "HEAD" else BINARY)
    assert response.headers["Content-Length"] == "256"


def test_request_without_token_has_none_and_namespace_is_that_of_the_caller() -> None:
    with serve(Server()) as server:
        sender = transport(server.address, "team")
        sender.exchange(Request("GET", "a"), timeout=PATIENCE, token=None)
        own = Request("GET", "a", {"X-Vault-Namespace": "own"})
        sender.exchange(own, timeout=PATIENCE, token=None)
        sender.close()
    assert [token for _, token in server.seen] == [None, None]
    assert [each["X-Vault-Namespace"] for each in server.headers] == ["team", "own"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, RequestRefused), (403, AccessDenied), (500, ServerFault), (503, Sealed)],
)
def test_error_status_raises_and_keeps_the_response(
    status: int, kind: type[StrongroomError]
) -> None:
    call = Request("GET", "secret/x")
    with serve(Server(status=status, content=b"<html>")) as server, pytest.raises(kind):
        exchange(server.address, call)
    assert call.response is not None
    assert (call.response.status, call.response.content) == (status, b"<html>")


@pytest.mark.parametrize("status", [429, 472, 501, 503])
def test_status_of_health_is_a_report(status: int) -> None:
    with serve(Server(status=status)) as server:
        assert exchange(server.address, Request("GET", "sys/health?x=1")).status == status


def test_error_without_response_keeps_none() -> None:
    call = Request("GET", "secret/x", response=Response(200, b""))
    with pytest.raises(Unreachable):
        exchange(f"http://127.0.0.1:{free_ports(1)[0]}", call)
    assert call.response is None
    with serve(Server(content=b"x" * 100, drip=DRIP)) as server, pytest.raises(DeadlineExceeded):
        exchange(server.address, call, timeout=DEADLINE)


def test_redirect_of_a_request_with_a_query_is_followed() -> None:
    path = "/v1/secret/data/x?version=1"
    with (
        serve(Server(content=b'{"data": 1}')) as leader,
        serve(Server(status=307, location=f"{leader.address}{path}")) as standby,
    ):
        assert exchange(standby.address, Request("GET", path[4:])).status == 200
        sender = transport(standby.address)
        assert sender.send("GET", path[4:], timeout=PATIENCE) == {"data": 1}
        sender.close()
    assert [request for request, _ in leader.seen] == [f"GET {path}"] * 2


def test_second_redirect_is_an_outage_and_no_response() -> None:
    call = Request("POST", "secret/x", body=b"{}")
    with serve(Server(status=307, location="https://127.0.0.1:1/v1/secret/x")) as other:
        location = f"{other.address}/v1/secret/x"
        with (
            serve(Server(status=307, location=location)) as standby,
            pytest.raises(Unreachable) as caught,
        ):
            exchange(standby.address, call)
    assert caught.value.not_sent
    assert call.response is None


def test_sealed_address_is_passed_over_and_all_sealed_keep_the_response() -> None:
    call = Request("PUT", "secret/x", body=b"{}")
    with serve(Server(status=503)) as sealed, serve(Server()) as active:
        both = FailoverTransport([transport(sealed.address), transport(active.address)])
        assert both.exchange(call, timeout=PATIENCE, token=TOKEN).status == 200
        both.close()
        alone = FailoverTransport([transport(sealed.address), transport(sealed.address)])
        with pytest.raises(Sealed):
            alone.exchange(call, timeout=PATIENCE, token=TOKEN)
        alone.close()
    assert call.response is not None
    assert call.response.status == 503


def test_wrapped_sender_passes_the_call_through_its_function() -> None:
    tokens: list[str | None] = []

    def run(send: Callable[[], Response], token: str | None) -> Response:
        tokens.append(token)
        return send()

    with serve(Server(content=BINARY)) as server:
        sender = WrappedSender(transport(server.address), run)
        call = Request("GET", "a")
        assert sender.exchange(call, timeout=PATIENCE, token=TOKEN).content == BINARY
        sender.close()
    assert tokens == [TOKEN]


def test_repr_shows_neither_headers_nor_body_nor_token() -> None:
    call = Request("POST", "a?b=c", {"X": TOKEN}, TOKEN.encode(), response=Response(200, BINARY))
    assert TOKEN not in repr(call)
    assert str(call) == "POST a"


def body(path: str, status: int, content: bytes) -> dict[str, object]:
    return redact_body(path, Response(status, content), DEFAULT_MOUNTS)


def test_redacted_body_has_no_message_that_may_repeat_a_secret() -> None:
    content = b'{"errors": ["the value hunter2 is wrong"], "data": {"value": "hunter2"}}'
    assert body("secret/x", 400, content) == {"errors": [HIDDEN_ERROR], "data": {}}
    fixed = b'{"errors": ["1 error occurred:\\n\\t* permission denied\\n\\n"]}'
    assert "permission denied" in str(body("secret/x", 403, fixed))
    assert body("sys/mounts/x", 400, b'{"errors": ["path in use"]}') == {"errors": ["path in use"]}
    assert body("secret/x", 502, b"<html>") == {}
    assert body("secret/x", 502, b"[" * 100_000) in ({}, {"errors": []})


def test_redacted_body_of_an_absent_value_is_whole() -> None:
    content = b'{"data": {"metadata": {"deletion_time": "now"}}}'
    assert body("secret/x", 404, content) == {"data": {"metadata": {"deletion_time": "now"}}}
