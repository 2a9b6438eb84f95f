"""One request to one address, through hvac's adapter on pooled connections of urllib3."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, urlsplit

import urllib3
from hvac.adapters import RawAdapter
from urllib3.connectionpool import HTTPConnectionPool

from app_integration._internal.server_urls import LOOPBACK
from app_integration.errors import (
    DeadlineExceeded,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.transport.connection_pool import pool
from app_integration.transport.responses import Response, decode
from app_integration.transport.tls import create_ssl_context

_SCHEMES: Final = {"http", "https"}
_REDIRECT: Final = {301, 302, 307, 308}
MAX_ANSWER: Final = 64 * 2**20  # bytes; a batch of the largest values stays below
_PIECE: Final = 64 * 1024  # bytes read at once
_LEAST_TIMEOUT: Final = 0.001  # seconds; 0 would mean "don't wait for a socket at all"


class Hidden(dict[str, Any]):
    """What is sent; shown as nothing, since a traceback may come with local variables."""

    def __repr__(self) -> str:
        return "{…}"


@dataclass(frozen=True, slots=True)
class _Request:
    """One request; it is shown without token and body."""

    method: str
    path: str
    token: str | None = field(repr=False)
    body: Mapping[str, Any] | None = field(repr=False)
    wrap_ttl: int | None  # seconds

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Sender(Protocol):
    """What a session sends its requests through: a :class:`Transport`, or one in memory."""

    def send(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        token: str | None = None,
        body: Mapping[str, Any] | None = None,
        wrap_ttl: int | None = None,
    ) -> dict[str, Any]:
        """As :meth:`Transport.send`."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class _Pooled:
    """What hvac's adapter takes for a session of ``requests``: one pool of connections."""

    verify = cert = proxies = None

    def __init__(self, connections: HTTPConnectionPool) -> None:
        self._connections = connections

    def request(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        content: Mapping[str, Any] | None,
        timeout: urllib3.Timeout,
        **_: Any,
    ) -> Response:
        """The whole answer. Redirects and retries are for the caller."""
        data = None
        if content is not None:
            data = json.dumps(content).encode()
            headers["Content-Type"] = "application/json"
        response = self._connections.urlopen(
            method,
            url,
            body=data,
            headers=headers,
            timeout=timeout,
            redirect=False,
            preload_content=False,
        )
        with closing(response):
            return _whole(response)


class Transport:
    """Sends single requests to one server address. Holds no token, never retries."""

    def __init__(
        self,
        address: str,
        *,
        cacert: Path | None,
        certificate: tuple[Path, Path] | None = None,
        namespace: str = "",
        connect_timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: *connect_timeout* in seconds; *cacert* a PEM file, or None for certifi's bundle.

        *certificate* is the client's, with its key, shown to a server that asks for one;
        *namespace* is where paths begin, empty for the root.

        Raises:
            ConfigurationError: *cacert* or *certificate* can't be read, or holds none.

        """
        self.address = address
        self._namespace = namespace or None
        self._clock = clock
        self._connect_timeout = connect_timeout
        self._cacert = cacert
        self._certificate = certificate
        self._context: ssl.SSLContext | None = None
        if cacert or certificate:
            self._context = self._tls()
        # Neither a proxy nor ~/.netrc of the surrounding shell has a say in where a token goes.
        self._pools: dict[str, _Pooled] = {}
        self._open: list[HTTPConnectionPool] = []

    def send(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        token: str | None = None,
        body: Mapping[str, Any] | None = None,
        wrap_ttl: int | None = None,
    ) -> dict[str, Any]:
        """The decoded answer; ``{}`` when there is none.

        Args:
            method: GET, POST, LIST or DELETE.
            path: API path without the leading ``/v1/``.
            timeout: seconds for the whole request.
            token: sent when given.
            body: sent as JSON.
            wrap_ttl: seconds; asks for a response-wrapped answer.

        Raises:
            ServerError: any of its kinds.
            AccessDenied: 403.

        """
        end = self._clock() + timeout
        request = _Request(method, path, token, body, wrap_ttl)
        answer = self._exchange(request, self.address, end)
        if isinstance(answer, Response) and answer.status in _REDIRECT:
            # A standby names the leader: one hop, the same request.
            answer = self._exchange(request, self._leader(request, answer.location), end)
        # Raised here, out of sight of the library's exceptions and their frames.
        if isinstance(answer, StrongroomError):
            raise answer
        return decode(method, path, answer)

    def _exchange(self, request: _Request, address: str, end: float) -> Response | StrongroomError:
        """One request and its whole answer before *end*, on the clock."""
        adapter = RawAdapter(
            base_uri="",
            token=request.token,
            session=self._pool(address),
            allow_redirects=False,
            namespace=self._namespace,
        )
        left = max(end - self._clock(), _LEAST_TIMEOUT)
        try:
            answer: Response = adapter.request(
                request.method,
                f"/v1/{request.path}",
                raise_exception=False,
                content=request.body,
                timeout=urllib3.Timeout(connect=min(self._connect_timeout, left), read=left),
                wrap_ttl=request.wrap_ttl,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _broken(request, address, error)
        return answer

    def _pool(self, address: str) -> _Pooled:
        found = self._pools.get(address)
        if found is None:
            connections = pool(address, self._tls)
            self._open.append(connections)
            found = self._pools.setdefault(address, _Pooled(connections))
        return found

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = create_ssl_context(self._cacert, self._certificate)
        return self._context

    def _leader(self, request: _Request, location: str) -> str:
        """The address in *location*, when it asks for the same over no weaker a connection."""
        here, there = urlsplit(self.address), urlsplit(location)
        weaker = there.scheme != "https" and (here.scheme == "https" or _leaves(here, there))
        if weaker or there.scheme not in _SCHEMES or there.path != f"/v1/{request.path}":
            raise Unreachable(
                f"{request}: {self.address} redirects to another place; check VAULT_ADDR"
            )
        return f"{there.scheme}://{there.netloc}"

    def close(self) -> None:
        """Close the pooled connections."""
        for connections in self._open:
            connections.close()


def _leaves(here: SplitResult, there: SplitResult) -> bool:
    """Whether a redirect leads from this machine to another."""
    return here.hostname in LOOPBACK and there.hostname not in LOOPBACK


class _TooLarge(urllib3.exceptions.HTTPError):
    """An answer beyond :data:`MAX_ANSWER`."""


def _whole(response: Any) -> Response:
    """Read piece by piece: what is too large is refused before it is held."""
    pieces, size = [], 0
    while piece := response.read1(_PIECE, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_ANSWER:
            raise _TooLarge
    headers = response.headers
    bounded = response.chunked or "Content-Length" in headers
    if not bounded and response.status != HTTPStatus.NO_CONTENT:
        # Nothing says where it ends: cut within its headers, it would pass for an empty answer.
        raise urllib3.exceptions.ProtocolError
    return Response(
        response.status,
        b"".join(pieces),
        headers.get("Location", ""),
        _seconds(headers.get("Retry-After", "")),
    )


def _seconds(text: str) -> float | None:
    """What ``Retry-After`` says in seconds; a date, which servers don't send, counts as none."""
    return float(text) if text.isascii() and text.isdigit() else None


def _broken(request: _Request, address: str, error: Exception) -> StrongroomError:
    """What became of *request* when there is no whole answer."""
    if isinstance(error, _TooLarge):
        return ServerFault(f"{request}: the answer is larger than {MAX_ANSWER} bytes")
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return DeadlineExceeded(f"no whole answer from {address} to {request} in time")
    if isinstance(error, urllib3.exceptions.SSLError) and _mistrusted(error):
        return Unreachable(f"{address} has no certificate that VAULT_CACERT vouches for")
    unsent = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    return Unreachable(
        f"{address} can't be reached ({type(error).__name__}); "
        "is it running, and is VAULT_ADDR right?",
        not_sent=isinstance(error, unsent),
    )


def _mistrusted(error: Exception) -> bool:
    reason = error.args[0] if error.args else None
    return isinstance(reason, ssl.CertificateError)
