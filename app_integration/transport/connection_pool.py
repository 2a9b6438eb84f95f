"""Pooled HTTP connections that are made, and answered whole, in time.

A socket's timeout bounds each read, not their sum: an answer that drips would never end. Looking
a name up isn't bounded at all.
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

#: Connections kept open to one address; more threads than that open some for one request.
KEPT: Final = 32
_UNIX: Final = "unix"


class _Reader(io.RawIOBase):
    """What a socket gives until *end*, on the monotonic clock; then TimeoutError."""

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


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, end: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock.settimeout, end))


class _Timely:
    """The timeouts of a connection bound the whole of connecting, and its whole answer."""

    host: str
    port: int
    timeout: Any
    socket_options: Any
    response_class: Any

    def _new_conn(self) -> socket.socket:
        try:
            return self._connected()
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from None  # type: ignore[arg-type] # mixed into a connection
        except TimeoutError:
            raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from None
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from None  # type: ignore[arg-type] # as above

    def _connected(self) -> socket.socket:
        return connect(self.host, self.port, self.timeout, self.socket_options)

    def getresponse(self) -> Any:
        end = time.monotonic() + self.timeout
        self.response_class = partial(_Response, end=end)
        return super().getresponse()  # type: ignore[misc] # as above


class _Connection(_Timely, HTTPConnection):
    pass


class _SecureConnection(_Timely, HTTPSConnection):
    pass


class _UnixConnection(_Connection):
    """To a socket in the file system; *host* is its path."""

    def __init__(self, *args: Any, path: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self._path = path

    def _connected(self) -> socket.socket:
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


def pool(address: str, context: Callable[[], ssl.SSLContext]) -> HTTPConnectionPool:
    """Connections to *address*, a URL: ``http``, ``https``, or ``unix`` with a path.

    Args:
        address: where to; what follows host and port isn't used.
        context: called for ``https``, gives what vouches for the server.

    """
    parts = urlsplit(address)
    if parts.scheme == _UNIX:
        return _UnixPool("localhost", maxsize=KEPT, retries=False, path=unquote(parts.path))
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        return _SecurePool(host, port, maxsize=KEPT, retries=False, ssl_context=context())
    return _Pool(host, port, maxsize=KEPT, retries=False)
