"""HTTP server that answers like Secrets Manager, KMS and STS in ways that moto cannot.

It serves scripted faults by operation, as AWS words them, and passes other requests on to an
upstream, such as moto's server.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import parse_qs

from tests.support.servers.local_server import LocalServer, serve

JSON: Final = "application/x-amz-json-1.1"
_ACCOUNT: Final = "123456789012"
_HOP_HEADERS: Final = {"host", "content-length", "connection", "accept-encoding"}
_DRIP_LIMIT: Final = 60.0  # seconds, after which a dripping body is cut


@dataclass(frozen=True)
class Fault:
    status: int = 200
    body: Any = field(default_factory=dict)
    interval: float = 0.0
    keep: int | None = None
    has_length: bool = True
    is_late: bool = False


def refused(code: str, message: str = "", status: int = 400) -> Fault:
    return Fault(status, {"__type": code, "message": message})


def throttled() -> Fault:
    return refused("ThrottlingException", "Rate exceeded")


def denied(action: str, arn: str) -> Fault:
    role = f"arn:aws:sts::{_ACCOUNT}:assumed-role/app/i-1"
    reason = f"because no identity-based policy allows the {action} action"
    message = f"User: {role} is not authorized to perform: {action} on resource: {arn} {reason}"
    return refused("AccessDeniedException", message)


def expired_token() -> Fault:
    return refused("ExpiredTokenException", "The security token included in the request is expired")


def disabled_key(arn: str) -> Fault:
    return refused("DisabledException", f"{arn} is disabled.")


def pending_deletion(arn: str) -> Fault:
    return refused("KMSInvalidStateException", f"{arn} is pending deletion.")


def incorrect_key() -> Fault:
    return refused(
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )


def failing() -> Fault:
    return refused("InternalServiceError", "An error occurred on the server side.", 500)


def late(fault: Fault) -> Fault:
    """Return *fault* as the response to a request that the upstream handled."""
    return replace(fault, is_late=True)


def dripping(body: dict[str, Any]) -> Fault:
    return Fault(body=body, interval=0.1)


def cut(body: dict[str, Any], *, has_length: bool = True) -> Fault:
    return Fault(body=body, keep=10, has_length=has_length)


class AwsFaultServer(LocalServer):
    def __init__(self, upstream: str | None) -> None:
        self.faults: dict[str, list[Fault]] = {}
        self.operations: list[str] = []
        self.bodies: list[str] = []
        self.over = threading.Event()
        self._upstream = upstream
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.address

    def forget(self) -> None:
        """Forget the scripted responses and the requests, for the next test."""
        with self._lock:
            self.faults.clear()
            self.operations.clear()
            self.bodies.clear()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        # CloudWatch's bodies are CBOR, which no test reads.
        text = body.decode(errors="replace")
        fault = self._next_fault(_operation(request, text), text)
        if fault is None:
            status, headers, content = self._pass_on(request, body)
            _start(request, status, headers, len(content))
            request.wfile.write(content)
            return
        if fault.is_late:
            self._pass_on(request, body)
        content = _encode(request, fault)
        length = len(content) if fault.has_length else None
        _start(request, fault.status, {"Content-Type": JSON}, length)
        self._send_slowly(request, content[: fault.keep], fault.interval)
        if fault.keep is not None or not fault.has_length:
            request.close_connection = True

    def _next_fault(self, operation: str, body: str) -> Fault | None:
        """Record a request and return its scripted response; None passes the request on."""
        with self._lock:
            self.operations.append(operation)
            self.bodies.append(body)
            script = self.faults.get(operation, [])
            if len(script) > 1:
                return script.pop(0)
            if script or self._upstream:
                return script[0] if script else None
        return refused("UnknownOperationException", f"no response is scripted for {operation}")

    def _pass_on(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the upstream's response."""
        kept = {
            name: text for name, text in request.headers.items() if name.lower() not in _HOP_HEADERS
        }
        passed = urllib.request.Request(f"{self._upstream}{request.path}", body, kept)  # noqa: S310 (http)
        try:
            response = urllib.request.urlopen(passed, timeout=_DRIP_LIMIT)  # noqa: S310
        except urllib.error.HTTPError as error:
            response = error
        with response:
            return response.status, dict(response.headers), response.read()

    def _send_slowly(
        self, request: BaseHTTPRequestHandler, content: bytes, interval: float
    ) -> None:
        if not interval:
            request.wfile.write(content)
            return
        for byte in content:
            if self.over.wait(interval):
                return
            try:
                request.wfile.write(bytes([byte]))
            except OSError:  # the client has gone
                return


@contextmanager
def aws_fault_server(upstream: str | None = None) -> Iterator[AwsFaultServer]:
    """Run a server in this process and yield it."""
    with serve(AwsFaultServer(upstream), protocol="HTTP/1.1") as server:
        yield server


def _operation(request: BaseHTTPRequestHandler, body: str) -> str:
    if target := request.headers.get("X-Amz-Target", ""):
        return target.rpartition(".")[2]
    if request.path != "/":
        return request.path.rpartition("/operation/")[2]
    return parse_qs(body).get("Action", [""])[0]


def _encode(request: BaseHTTPRequestHandler, fault: Fault) -> bytes:
    """Return the body of *fault*: JSON, or for an error of STS, XML."""
    if "X-Amz-Target" in request.headers or fault.status < HTTPStatus.BAD_REQUEST:
        return json.dumps(fault.body).encode()
    code, message = fault.body["__type"], fault.body["message"]
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<ErrorResponse>{error}</ErrorResponse>".encode()


def _start(
    request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], length: int | None
) -> None:
    request.send_response_only(status)
    for name, text in headers.items():
        if name.lower() not in _HOP_HEADERS:
            request.send_header(name, text)
    if length is not None:
        request.send_header("Content-Length", str(length))
    request.end_headers()
