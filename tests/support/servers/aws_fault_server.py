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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs

JSON: Final = "application/x-amz-json-1.1"
_ACCOUNT: Final = "123456789012"
_HOP_HEADERS: Final = {"host", "content-length", "connection", "accept-encoding"}
_DRIP_LIMIT: Final = 60.0  # seconds, after which a dripping body is cut


@dataclass(frozen=True)
class Fault:
    """One response."""

    status: int = 200
    body: Any = field(default_factory=dict)
    interval: float = 0.0
    keep: int | None = None
    has_length: bool = True
    is_late: bool = False


def refused(code: str, message: str = "", status: int = 400) -> Fault:
    """Return an error response with an error code."""
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


def dripping(body: dict[str, Any], interval: float = 0.1) -> Fault:
    return Fault(body=body, interval=interval)


def cut(body: dict[str, Any], keep: int = 10, *, has_length: bool = True) -> Fault:
    return Fault(body=body, keep=keep, has_length=has_length)


class AwsFaultServer:
    """A running server."""

    def __init__(self, url: str, upstream: str | None) -> None:
        self.url = url
        self.faults: dict[str, list[Fault]] = {}
        self.operations: list[str] = []
        self.bodies: list[str] = []
        self._upstream = upstream
        self._lock = threading.Lock()
        self.stopping = threading.Event()

    def forget(self) -> None:
        """Forget the scripted responses and the requests, for the next test."""
        with self._lock:
            self.faults.clear()
            self.operations.clear()
            self.bodies.clear()

    def next_fault(self, operation: str, body: str) -> Fault | None:
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

    def pass_on(
        self, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the upstream's response."""
        kept = {name: text for name, text in headers.items() if name.lower() not in _HOP_HEADERS}
        request = urllib.request.Request(f"{self._upstream}{path}", data=body, headers=kept)  # noqa: S310 (http)
        try:
            response = urllib.request.urlopen(request, timeout=_DRIP_LIMIT)  # noqa: S310
        except urllib.error.HTTPError as error:
            response = error
        with response:
            return response.status, dict(response.headers), response.read()


@contextmanager
def aws_fault_server(upstream: str | None = None) -> Iterator[AwsFaultServer]:
    """Run a server in this process and yield it."""
    listener = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    listener.daemon_threads = True
    server = AwsFaultServer(f"http://127.0.0.1:{listener.server_address[1]}", upstream)
    listener.site = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        listener.shutdown()
        thread.join()
        listener.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise each body waits 40 ms for the acknowledgement of its headers.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        site: AwsFaultServer = self.server.site  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        # CloudWatch's bodies are CBOR, which no test reads.
        text = body.decode(errors="replace")
        fault = site.next_fault(self._operation(text), text)
        if fault is None:
            status, headers, content = site.pass_on(self.path, body, dict(self.headers))
            self._start(status, headers, len(content))
            self.wfile.write(content)
            return
        if fault.is_late:
            site.pass_on(self.path, body, dict(self.headers))
        content = self._encode(fault)
        length = len(content) if fault.has_length else None
        self._start(fault.status, {"Content-Type": JSON}, length)
        self._send_slowly(content[: fault.keep], fault.interval, site.stopping)
        if fault.keep is not None or not fault.has_length:
            self.close_connection = True

    def _operation(self, body: str) -> str:
        if target := self.headers.get("X-Amz-Target", ""):
            return target.rpartition(".")[2]
        if self.path != "/":
            return self.path.rpartition("/operation/")[2]
        return parse_qs(body).get("Action", [""])[0]

    def _encode(self, fault: Fault) -> bytes:
        """Return the body of *fault*: JSON, or for an error of STS, XML."""
        if "X-Amz-Target" in self.headers or fault.status < HTTPStatus.BAD_REQUEST:
            return json.dumps(fault.body).encode()
        code, message = fault.body["__type"], fault.body["message"]
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return f"<ErrorResponse>{error}</ErrorResponse>".encode()

    def _start(self, status: int, headers: dict[str, str], length: int | None) -> None:
        self.send_response_only(status)
        for name, text in headers.items():
            if name.lower() not in _HOP_HEADERS:
                self.send_header(name, text)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send_slowly(self, content: bytes, interval: float, stopping: threading.Event) -> None:
        if not interval:
            self.wfile.write(content)
            return
        for byte in content:
            if stopping.wait(interval):
                return
            try:
                self.wfile.write(bytes([byte]))
            except OSError:  # the client has gone
                return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's parameter)
        """Log nothing."""
