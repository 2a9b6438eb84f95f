"""Pooled HTTP connections with one deadline for connecting and one for the whole response.

The timeout of a socket bounds each read, not their sum: a response that arrives byte by byte would
never time out. The system's name lookup has no timeout at all.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from app_integration.transport.dns import connect

#: Idle connections that stay open to one address. With more threads than this, the others open a
#: connection for one request.
MAX_IDLE_CONNECTIONS: Final = 32
_UNIX: Final = "unix"
#: Takes ``host:port`` of a server, and the expiry of its certificate in seconds since the epoch.
OnCertificate = Callable[[str, float], None]


def ignore_certificate(_server: str, _expires: float) -> None:
    """Do nothing."""


class _DeadlineReader(io.RawIOBase):
    """A socket's reader that raises TimeoutError once *end*, on the monotonic clock, has passed."""

    def __init__(self, raw: io.RawIOBase, set_timeout: Callable[[float], None], end: float) -> None:
        self._raw = raw
        self._set_timeout = set_timeout
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._set_timeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, end: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_DeadlineReader(self.fp.detach(), sock.settimeout, end))


class _DeadlineMixin:
    """A connection whose timeouts bound the whole of connecting and the whole response."""

    host: str
    port: int
    timeout: Any
    socket_options: Any
    response_class: Any

    def _new_conn(self) -> socket.socket:
        try:
            return self._open_socket()
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from None  # type: ignore[arg-type] # mixed into a connection
        except TimeoutError:
            raise ConnectTimeoutError(self, f"connecting to {self.host} timed out") from None
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from None  # type: ignore[arg-type] # as above

    def _open_socket(self) -> socket.socket:
        return connect(self.host, self.port, self.timeout, self.socket_options)

    def getresponse(self) -> Any:
        end = time.monotonic() + self.timeout
        self.response_class = partial(_DeadlineResponse, end=end)
        return super().getresponse()  # type: ignore[misc] # as above


class _Connection(_DeadlineMixin, HTTPConnection):
    pass


class _SecureConnection(_DeadlineMixin, HTTPSConnection):
    """A connection with TLS that reports the expiry of the server's certificate."""

    def __init__(self, *args: Any, on_certificate: OnCertificate, **options: Any) -> None:
        super().__init__(*args, **options)
        self._on_certificate = on_certificate

    def connect(self) -> None:
        super().connect()
        shown = self.sock.getpeercert() if isinstance(self.sock, ssl.SSLSocket) else None
        if shown:
            expires = ssl.cert_time_to_seconds(str(shown["notAfter"]))
            self._on_certificate(f"{self.host}:{self.port}", float(expires))


class _UnixConnection(_Connection):
    """A connection to a Unix domain socket at *path*."""

    def __init__(self, *args: Any, path: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self._path = path

    def _open_socket(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(self.timeout)
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise
        return connection


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _UnixPool(HTTPConnectionPool):
    ConnectionCls = _UnixConnection


def create_pool(
    address: str,
    context: Callable[[], ssl.SSLContext],
    on_certificate: OnCertificate = ignore_certificate,
) -> HTTPConnectionPool:
    """Create a pool of connections to *address*.

    Its scheme is ``http``, ``https`` or ``unix``, and *context* is called for ``https`` only.
    """
    parts = urlsplit(address)
    if parts.scheme == _UNIX:
        return _UnixPool(
            "localhost", maxsize=MAX_IDLE_CONNECTIONS, retries=False, path=unquote(parts.path)
        )
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        return _SecurePool(
            host,
            port,
            maxsize=MAX_IDLE_CONNECTIONS,
            retries=False,
            ssl_context=context(),
            on_certificate=on_certificate,
        )
    return _Pool(host, port, maxsize=MAX_IDLE_CONNECTIONS, retries=False)
