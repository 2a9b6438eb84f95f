"""HTTP connections whose whole answer, headers included, ends in time.

A socket's timeout bounds each read, not their sum: an answer that drips would never end.
"""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


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
    """The read timeout of a connection bounds its whole answer."""

    timeout: Any
    response_class: Any

    def getresponse(self) -> Any:
        end = time.monotonic() + self.timeout
        self.response_class = partial(_Response, end=end)
        return super().getresponse()  # type: ignore[misc] # mixed into a connection


class _Connection(_Timely, HTTPConnection):
    pass


class _SecureConnection(_Timely, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class TimelyAdapter(HTTPAdapter):
    """Sends requests; the read timeout, which each must have, bounds the whole answer."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """As the library does, with our connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
