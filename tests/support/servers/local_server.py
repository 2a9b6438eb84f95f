"""Small local HTTP servers whose responses a test sets."""

from __future__ import annotations

import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DRIP = 0.1  # seconds between the bytes of a dripping response
PATIENCE = 5.0  # seconds to wait for a client


class LocalServer(ABC):
    """What a local server does with a request. *over* is set when it is stopped."""

    address: str
    over: threading.Event

    @abstractmethod
    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Respond to *request*."""


@dataclass
class Server(LocalServer):
    """A local server that returns the same response to each request, and records the requests."""

    status: int = 200
    content: bytes = b"{}"
    location: str = ""
    drip: float = 0.0
    missing: int = 0
    address: str = ""
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    more_headers: dict[str, str] = field(default_factory=dict)

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        self.seen.append((f"{request.command} {request.path}", request.headers["X-Vault-Token"]))
        self.bodies.append(request.rfile.read(int(request.headers["Content-Length"] or 0)))
        self.headers.append(dict(request.headers))
        request.send_response(self.status)
        if self.location:
            request.send_header("Location", self.location)
        for name, value in self.more_headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(self.content) + self.missing))
        request.end_headers()
        if request.command == "HEAD":
            return
        size = 1 if self.drip else max(len(self.content), 1)
        for start in range(0, len(self.content), size):
            request.wfile.write(self.content[start : start + size])
            if self.drip and self.over.wait(self.drip):
                return


_Server = TypeVar("_Server", bound=LocalServer)


class Handler(BaseHTTPRequestHandler):
    server_of: ClassVar[Callable[[BaseHTTPRequestHandler], LocalServer]]
    # Otherwise each body waits 40 ms for the acknowledgement of its headers.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        type(self).server_of(self).handle(self)

    do_POST = do_LIST = do_DELETE = do_HEAD = do_PUT = do_PATCH = do_GET  # noqa: N815 (http.server's names)

    def log_message(self, *_: object) -> None:
        pass


class Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore errors, because some tests close the connection early."""


@contextmanager
def serve(
    server: _Server, certificate: Path | None = None, *, protocol: str = "HTTP/1.0"
) -> Iterator[_Server]:
    """Run *server* on a free port, with TLS if *certificate* is given."""
    bound = {"server_of": staticmethod(lambda _request: server), "protocol_version": protocol}
    handler = type("Bound", (Handler,), bound)
    with Listener(("127.0.0.1", 0), handler) as listener:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            listener.socket = context.wrap_socket(listener.socket, server_side=True)
        scheme = "https" if certificate else "http"
        server.address = f"{scheme}://127.0.0.1:{listener.server_address[1]}"
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            listener.shutdown()
            thread.join()


@contextmanager
def accept_once(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yield the URL of a socket that calls *answer* with its first connection, after a request."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE)

        def accept() -> None:
            with suppress(OSError):  # because the client may disconnect first, or never connect
                connection, _ = listening.accept()
                with connection:
                    connection.recv(9999)
                    answer(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            thread.join()


def write_certificate(path: Path, *, begins: int = -1, ends: int = 1) -> Path:
    """Write a self-signed certificate for 127.0.0.1 and its key to *path*, and return *path*."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + timedelta(hours=begins))
        .not_valid_after(now + timedelta(hours=ends))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path
