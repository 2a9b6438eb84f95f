"""Requests to small servers on this machine: redirects, deadlines, responses, errors."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import traceback
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from app_integration.errors import (
    AccessDenied,
    ConfigurationError,
    DeadlineExceeded,
    RateLimited,
    RequestRefused,
    Sealed,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.testing.ports import free_ports
from app_integration.transport import responses
from app_integration.transport.http import Transport
from tests.support.deadlines import assert_ends_within
from tests.support.servers.local_server import DRIP, Server, accept_once, serve, write_certificate

TOKEN = "hvs.the-token-itself"
VALUE = "the-value-that-was-sent"
PATH = "secret/data/shop/prod/x"
DEADLINE = 0.4  # seconds, for a response that does not end
SLACK = 0.5  # seconds that a busy machine may take beyond it
PATIENCE = 20.0  # seconds, for every other response


def send(
    address: str, path: str = PATH, *, cacert: Path | None = None, timeout: float = PATIENCE
) -> dict[str, Any]:
    sender = Transport(address, cacert=cacert, connect_timeout=timeout)
    try:
        return sender.send("POST", path, timeout=timeout, token=TOKEN, body={"value": VALUE})
    finally:
        sender.close()


def failure(
    address: str, path: str = PATH, *, cacert: Path | None = None, timeout: float = PATIENCE
) -> StrongroomError:
    """Return the error of sending, after checking that no form of it contains what was sent."""
    with pytest.raises(StrongroomError) as caught:
        send(address, path, cacert=cacert, timeout=timeout)
    error = caught.value
    shown = [str(error), repr(error), *traceback.format_exception(error)]
    assert not [text for text in shown if TOKEN in text or VALUE in text]
    return error


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


def test_own_request_has_the_headers_of_vault() -> None:
    """An agent's listener may reject requests without ``X-Vault-Request``."""
    with serve(Server()) as server:
        sender = Transport(server.address, cacert=None, namespace="team", connect_timeout=PATIENCE)
        with closing(sender):
            sender.send("GET", PATH, timeout=PATIENCE)
            sender.send("POST", PATH, timeout=PATIENCE, token=TOKEN, body={"a": "é"}, wrap_ttl=60)
    read, write = (dict(each) for each in server.headers)
    both = {"X-Vault-Request": "true", "X-Vault-Namespace": "team"}
    more = {"X-Vault-Token": TOKEN, "X-Vault-Wrap-TTL": "60", "Content-Type": "application/json"}
    assert read.items() >= both.items()
    assert not read.keys() & more.keys()
    assert write.items() >= {**both, **more}.items()
    assert server.bodies == [b"", b'{"a": "\\u00e9"}']


def test_request_after_a_write_names_its_position_in_the_storage() -> None:
    """A standby whose copy is older passes the request to the leader."""
    with serve(Server(more_headers={"X-Vault-Index": "b3BhcXVl"})) as server:
        sender = Transport(server.address, cacert=None, connect_timeout=PATIENCE)
        with closing(sender):
            for method in ("GET", "POST", "GET"):
                sender.send(method, PATH, timeout=PATIENCE)
    first, write, read = (dict(each) for each in server.headers)
    assert not {"X-Vault-Index", "X-Vault-Inconsistent"} & {*first, *write}
    assert read["X-Vault-Index"] == "b3BhcXVl"
    assert read["X-Vault-Inconsistent"] == "forward-active-node"


def test_path_is_sent_without_further_slashes() -> None:
    """The server rejects ``sys/leases/revoke-prefix/database/creds/shop/``."""
    with serve(Server()) as server:
        send(server.address, "sys//leases/revoke-prefix/a/")
    assert server.seen == [("POST /v1/sys/leases/revoke-prefix/a", TOKEN)]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_of_standby_is_followed_with_token(status: int) -> None:
    with serve(Server(content=b'{"data": 1}')) as leader:
        location = f"{leader.address}/v1/{PATH}"
        with serve(Server(status, b"", location)) as standby:
            assert send(standby.address) == {"data": 1}
    assert leader.seen == [(f"POST /v1/{PATH}", TOKEN)]


def test_redirect_twice_is_not_followed() -> None:
    with serve(Server()) as third:
        with serve(Server(307, b"", f"{third.address}/v1/{PATH}")) as second:
            with serve(Server(307, b"", f"{second.address}/v1/{PATH}")) as first:
                error = failure(first.address)
                assert isinstance(error, Unreachable)
                assert error.not_sent
                assert "redirects, too" in str(error)
            assert len(second.seen) == 1
        assert third.seen == []


@pytest.mark.parametrize(("path", "is_https"), [("steal", False), (f"v1/{PATH}", True)])
def test_redirect_to_another_path_or_from_https_to_http_is_not_followed(
    certificate: Path, path: str, *, is_https: bool
) -> None:
    cacert = certificate if is_https else None
    with (
        serve(Server()) as thief,
        serve(Server(307, b"", f"{thief.address}/{path}"), cacert) as server,
    ):
        error = failure(server.address, cacert=cacert)
    assert isinstance(error, Unreachable)
    assert "redirects elsewhere" in str(error)
    assert thief.seen == []


@pytest.mark.parametrize(
    "location",
    [
        *("http://vault.invalid", "ftp://127.0.0.1", ""),
        *("https://[", "https://127.0.0.1:https", "https://127.0.0.1:65536"),
    ],
)
def test_redirect_to_another_machine_or_to_no_address_is_not_followed(location: str) -> None:
    with serve(Server(307, b"", location and f"{location}/v1/{PATH}")) as server:
        error = failure(server.address)
    assert "redirects elsewhere" in str(error)


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
def test_redirect_to_a_host_that_has_no_name_is_unreachable(host: str) -> None:
    with serve(Server(307, b"", f"https://{host}/v1/{PATH}")) as server:
        error = failure(server.address)
    assert isinstance(error, Unreachable)
    assert f"https://{host} cannot be reached" in str(error)


@pytest.mark.parametrize("rest", ["\nX-Other: 1", "\x00", "€"])
def test_token_that_no_header_can_have_is_neither_sent_nor_shown(
    rest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.TOKEN", f"hvs.the-token{rest}")
    with serve(Server()) as server:
        error = failure(server.address)
    assert isinstance(error, ConfigurationError)
    assert "on one line" in str(error)
    assert "hvs" not in "".join(traceback.format_exception(error))
    assert server.seen == []


def test_untrusted_certificate_gets_no_request(certificate: Path) -> None:
    with serve(Server(), certificate) as server:
        error = failure(server.address)
        assert send(server.address, cacert=certificate) == {}
    assert isinstance(error, Unreachable)
    assert error.not_sent  # so that another address of the cluster is tried
    assert "(self-signed certificate)" in str(error)
    assert "VAULT_CACERT" in str(error)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("begins", "ends", "reason"),
    [(-2, -1, "certificate has expired"), (1, 2, "certificate is not yet valid")],
)
def test_certificate_at_another_time_is_rejected_with_the_reason(
    begins: int, ends: int, reason: str, tmp_path: Path
) -> None:
    outdated = write_certificate(tmp_path / "server.pem", begins=begins, ends=ends)
    with serve(Server(), outdated) as server:
        error = failure(server.address, cacert=outdated)
    assert isinstance(error, Unreachable)
    assert f"({reason})" in str(error)
    assert "this machine's clock" in str(error)
    assert server.seen == []


def exceed(address: str, cacert: Path | None = None, timeout: float = DEADLINE) -> None:
    """Check that a request to *address* raises DeadlineExceeded."""
    assert isinstance(failure(address, cacert=cacert, timeout=timeout), DeadlineExceeded)


@pytest.mark.parametrize("tls", [False, True])
def test_response_that_arrives_slowly_ends_at_deadline(certificate: Path, *, tls: bool) -> None:
    cacert = certificate if tls else None
    with serve(Server(content=b" " * 100, drip=DRIP), cacert) as server:
        assert_ends_within(DEADLINE + SLACK, lambda: exceed(server.address, cacert))


def test_headers_that_arrive_slowly_end_at_deadline() -> None:
    pause = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not pause.wait(DRIP):
            connection.sendall(b"x")

    def request() -> None:
        with accept_once(drip) as address:
            exceed(address)

    assert_ends_within(DEADLINE + SLACK, request)


def test_slow_handshake_leaves_less_time_for_the_response(certificate: Path) -> None:
    context, timeout = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), 1.0
    context.load_cert_chain(certificate)

    def accept(listening: socket.socket, over: threading.Event) -> None:
        connection, _ = listening.accept()
        over.wait(0.7 * timeout)
        with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(9999)
            over.wait(10 * timeout)

    def request() -> None:
        over = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=accept, args=(listening, over))
            thread.start()
            try:
                exceed(f"https://127.0.0.1:{listening.getsockname()[1]}", certificate, timeout)
            finally:
                over.set()
                thread.join()

    assert_ends_within(1.4 * timeout, request)


def test_port_without_listener_is_unreachable() -> None:
    assert isinstance(failure(f"http://127.0.0.1:{free_ports(1)[0]}"), Unreachable)


def test_connection_reset_is_unreachable() -> None:
    def reset(connection: socket.socket) -> None:
        linger = struct.pack("ii", 1, 0)  # on, for 0 s, so that close() sends RST
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with accept_once(reset) as address:
        assert isinstance(failure(address), Unreachable)


@pytest.mark.parametrize("content", [b"<html>a proxy</html>", b"[]", b'"text"', b"\xff"])
def test_response_of_another_program_raises_server_fault(content: bytes) -> None:
    with serve(Server(content=content)) as server:
        error = failure(server.address)
    assert isinstance(error, ServerFault)
    assert "check VAULT_ADDR" in str(error)


def test_response_above_limit_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "MAX_RESPONSE", 1000)
    with serve(Server(content=b" " * 998 + b"{}")) as server:
        assert send(server.address) == {}
        server.content = b" " * 999 + b"{}"
        error = failure(server.address)
    assert "larger than 1000 bytes" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRefused),
        (403, AccessDenied),
        (404, RequestRefused),
        (405, RequestRefused),
        (412, RateLimited),
        (429, RateLimited),
        (472, RateLimited),
        (473, RateLimited),
        (500, ServerFault),
        (502, ServerFault),
        (501, Sealed),
        (503, Sealed),
    ],
)
@pytest.mark.parametrize("path", ["transit/encrypt/shop-prod-pii", PATH, "database/creds/shop"])
def test_status_raises_its_error_without_secret(
    status: int, kind: type[StrongroomError], path: str
) -> None:
    echo = json.dumps({"errors": [f"cannot use {VALUE} with {TOKEN}"]}).encode()
    with serve(Server(status, echo)) as server:
        error = failure(server.address, path)
    assert type(error) is kind
    assert path in str(error)
    assert "cannot use" not in str(error)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("message", "shown"),
    [("invalid\n role", "invalid role"), ("no\x1b[31m role", r"no\x1b[31m role")],
)
def test_error_of_insensitive_path_has_message_of_server(message: str, shown: str) -> None:
    with serve(Server(400, json.dumps({"errors": [message]}).encode())) as server:
        error = failure(server.address, "auth/approle/role/x")
    assert str(error) == f"POST auth/approle/role/x: status 400: {shown}; check its path and values"


def test_user_that_cannot_be_leased_has_what_to_check_in_place_of_the_reason() -> None:
    with serve(Server(500, json.dumps({"errors": [f"dial tcp: {VALUE}"]}).encode())) as server:
        error = str(failure(server.address, "database/creds/shop-dev"))
    assert "status 500: the user cannot be leased; check that the database is running" in error
    assert VALUE not in error


def test_404_keeps_status_and_data() -> None:
    with serve(Server(404, b'{"data": {"metadata": {"deletion_time": "now"}}}')) as server:
        error = failure(server.address)
    assert isinstance(error, RequestRefused)
    assert (error.status, error.data) == (404, {"metadata": {"deletion_time": "now"}})


def test_403_has_policy_rule() -> None:
    with serve(Server(403, b"")) as server:
        sender = Transport(server.address, cacert=None, connect_timeout=PATIENCE)
        with pytest.raises(AccessDenied) as caught:
            sender.send("LIST", PATH, timeout=PATIENCE)
        sender.close()
    assert f'path "{PATH}" {{ capabilities = ["list"] }}' in str(caught.value)
    assert server.seen == [(f"LIST /v1/{PATH}", None)]


@pytest.mark.parametrize("content", [None, b"", b"junk"])
def test_cacert_that_is_invalid_is_rejected_before_request(
    tmp_path: Path, content: bytes | None
) -> None:
    cacert = tmp_path / "ca.pem"
    if content is not None:
        cacert.write_bytes(content)
    with serve(Server()) as server:
        error = failure(server.address, cacert=cacert)
    assert isinstance(error, ConfigurationError)
    assert str(cacert) in str(error)
    assert server.seen == []


def test_unix_socket_works_as_address(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                seen.append(connection.recv(9999))
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + b'{"data": 1}'
                )

        seen: list[bytes] = []
        thread = threading.Thread(target=answer)
        thread.start()
        assert send(f"unix://{path}") == {"data": 1}
        thread.join()
    assert seen[0].startswith(f"POST /v1/{PATH} HTTP/1.1\r\nHost: localhost".encode())
    path.unlink()
    assert isinstance(failure(f"unix://{path}"), Unreachable)


@pytest.mark.parametrize("length", range(12, 60, 7))
def test_response_cut_in_headers_is_unreachable(length: int) -> None:
    whole = b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 11\r\n\r\n"
    with accept_once(lambda connection: connection.sendall(whole[:length])) as address:
        assert isinstance(failure(address), Unreachable)
