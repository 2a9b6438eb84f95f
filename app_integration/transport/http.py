"""A single request to a single address, over pooled connections."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Protocol, TypeGuard
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.connectionpool import HTTPConnectionPool

from app_integration._internal.server_urls import LOOPBACK
from app_integration._internal.tracing import correlation_headers
from app_integration.errors import ConfigurationError, StrongroomError, Unreachable
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.transport.connection_errors import connection_error
from app_integration.transport.connection_pool import OnCertificate, create_pool, ignore_certificate
from app_integration.transport.payloads import is_token
from app_integration.transport.raw_call import RawCall
from app_integration.transport.responses import Response, check_status, decode, read_whole
from app_integration.transport.storage_position import StoragePosition
from app_integration.transport.tls import create_ssl_context

_SCHEMES: Final = {"http", "https"}
_REDIRECT: Final = {301, 302, 307, 308}
_MIN_TIMEOUT: Final = 0.001  # seconds, because 0 would make the socket non-blocking


class RequestSender(Protocol):
    """Anything that sends a session's requests: a :class:`Transport`, or a server in memory."""

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
        """Send one request and return the decoded response. See :meth:`Transport.send`."""
        ...

    def close(self) -> None:
        """Close every open connection."""
        ...


class Transport:
    """A sender of single requests to one server address. It holds no token and never retries."""

    def __init__(
        self,
        address: str,
        *,
        cacert: Path | None,
        certificate: tuple[Path, Path] | None = None,
        namespace: str = "",
        connect_timeout: float,
        clock: Callable[[], float] = time.monotonic,
        mounts: Mounts = DEFAULT_MOUNTS,
        on_certificate: OnCertificate = ignore_certificate,
        position: StoragePosition | None = None,
    ) -> None:
        """Load the certificates; no connection is opened yet.

        Args:
            address: ``http(s)://host:port``, or ``unix://`` with the path of a socket.
            cacert: A PEM file of the trusted authorities; None for certifi's bundle.
            certificate: PEM files of the client's certificate and of its key, for a server that
                requests one.
            namespace: The Vault namespace; empty for the root namespace.
            connect_timeout: Seconds for one attempt to connect.
            clock: Monotonic, in seconds.
            mounts: Mounts of the deployment, because errors below them do not repeat the server's
                message.
            on_certificate: Told of the server's certificate on each new connection with TLS.
            position: Shared by the senders to one cluster; None for one of its own.

        Raises:
            ConfigurationError: If *cacert* or *certificate* cannot be read, or is not PEM.

        """
        self.address = address
        self._namespace = namespace or None
        self._clock = clock
        self._connect_timeout = connect_timeout
        self._mounts = mounts
        self._on_certificate = on_certificate
        self._position = position or StoragePosition()
        self._cacert = cacert
        self._certificate = certificate
        self._context: ssl.SSLContext | None = None
        if cacert or certificate:
            self._context = self._get_tls_context()
        # urllib3's pools are used directly, so that neither a proxy variable nor ~/.netrc decides
        # where a token is sent.
        self._pools: dict[str, HTTPConnectionPool] = {}

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
        """Send one request and return the decoded response; ``{}`` if it has no body.

        Args:
            method: GET, POST, LIST or DELETE.
            path: API path without the leading ``/v1/``.
            timeout: Seconds for the whole request, with its response and at most one redirect.
            token: The Vault token; None sends no token.
            body: Sent as JSON; None sends no body.
            wrap_ttl: Seconds; requests a response-wrapped answer that can be unwrapped for so long.

        Raises:
            ServerError: If there is no complete response, or its status is an error other than 403.
            AccessDenied: If the server returns 403.

        """
        response = self._follow(_own_call(method, path, body, wrap_ttl), timeout, token)
        return decode(method, path, response, self._mounts)

    def exchange(self, call: RawCall, *, timeout: float, token: str | None) -> Response:
        """Send *call* and return its response. See :meth:`.raw_call.RawSender.exchange`.

        Raises:
            ServerError: If there is no complete response, or its status is an error other than 403.
            AccessDenied: If the server returns 403.

        """
        call.response = None
        call.response = response = self._follow(call, timeout, token)
        if not call.reports_status:
            check_status(call.method, call.path, response, self._mounts)
        return response

    def _follow(self, call: RawCall, timeout: float, token: str | None) -> Response:
        """Send *call* to this address, or the one that it redirects to, and return the response.

        A standby redirects to the leader. One hop is followed, with the same request.

        Raises:
            ConfigurationError: If *token* is none.
            ServerError: If there is no complete response.

        """
        if token is not None and not is_token(token):
            raise ConfigurationError(
                "the Vault token has a line break or another character that no token has; write "
                "the token alone, on one line"
            )
        end = self._clock() + timeout
        response = self._request(call, token, end, self.address)
        if _is_redirect(response):
            leader = self._leader_address(call, response.location)
            response = self._request(call, token, end, leader)
        # Raised here and not where it occurred, so that neither the exceptions of the library nor
        # their frames are part of the traceback.
        if isinstance(response, StrongroomError):
            raise response
        if _is_redirect(response):
            raise Unreachable(
                f"{call}: the leader redirects, too; check that the cluster has a leader",
                not_sent=True,
            )
        return response

    def _request(
        self, call: RawCall, token: str | None, end: float, address: str
    ) -> Response | StrongroomError:
        """Return the response of *address*, or the error if it is not complete by *end*."""
        try:
            response = self._pool(address).urlopen(
                call.method,
                f"/v1/{call.target}",
                body=call.body,
                headers=self._headers(call, token),
                timeout=self._time_left(end),
                redirect=False,
                preload_content=False,
            )
            with closing(response):
                whole = read_whole(response, has_body=call.method != "HEAD")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return connection_error(call, address, error)
        self._position.record(call.method, whole.headers)
        return whole

    def _headers(self, call: RawCall, token: str | None) -> dict[str, str]:
        headers = {**self._position.headers(), **call.headers, **correlation_headers()}
        if token is not None:
            headers["X-Vault-Token"] = token
        if self._namespace:
            headers.setdefault("X-Vault-Namespace", self._namespace)
        return headers

    def _time_left(self, end: float) -> urllib3.Timeout:
        left = max(end - self._clock(), _MIN_TIMEOUT)
        return urllib3.Timeout(left, connect=min(self._connect_timeout, left))

    def _pool(self, address: str) -> HTTPConnectionPool:
        found = self._pools.get(address)
        if found is None:
            created = create_pool(address, self._get_tls_context, self._on_certificate)
            found = self._pools.setdefault(address, created)
        return found

    def _get_tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = create_ssl_context(self._cacert, self._certificate)
        return self._context

    def _leader_address(self, call: RawCall, location: str) -> str:
        """Return the address in *location*.

        Raises:
            Unreachable: If the redirect is not for the same path, or leads to a less secure
                connection.

        """
        here, there = urlsplit(self.address), _parse_location(location)
        if (
            there is None
            or there.scheme not in _SCHEMES
            or there.path != f"/v1/{call.path}"
            or _is_weaker(here, there)
        ):
            raise Unreachable(f"{call}: {self.address} redirects elsewhere; check VAULT_ADDR")
        return f"{there.scheme}://{there.netloc}"

    def close(self) -> None:
        """Close the pooled connections."""
        for connections in [*self._pools.values()]:
            connections.close()


def _own_call(
    method: str, path: str, body: Mapping[str, Any] | None, wrap_ttl: int | None
) -> RawCall:
    """Return a request of the SDK. See :meth:`Transport.send`.

    The encoded body is in no local variable of a function that raises: a traceback may show those.
    """
    headers = {"X-Vault-Request": "true"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if wrap_ttl is not None:
        headers["X-Vault-Wrap-TTL"] = str(wrap_ttl)
    content = None if body is None else json.dumps(body).encode()
    # The server rejects a write to a path with a slash at its end, and redirects double ones.
    return RawCall(method, "/".join(filter(None, path.split("/"))), headers, content)


def _is_redirect(response: Response | StrongroomError) -> TypeGuard[Response]:
    return isinstance(response, Response) and response.status in _REDIRECT


def _parse_location(location: str) -> SplitResult | None:
    """Return the parts of the target of a redirect; None if it is no URL."""
    try:
        parts = urlsplit(location)
        _ = parts.port  # raises for one that is no number
    except ValueError:
        return None
    return parts


def _is_weaker(here: SplitResult, there: SplitResult) -> bool:
    """Return whether a redirect leads to a connection without TLS, from TLS or this machine."""
    leaves_host = here.hostname in LOOPBACK and there.hostname not in LOOPBACK
    return there.scheme != "https" and (here.scheme == "https" or leaves_host)
