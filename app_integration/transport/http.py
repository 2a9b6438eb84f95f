"""A single request to a single address, over pooled connections."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.connectionpool import HTTPConnectionPool

from app_integration._internal.server_urls import LOOPBACK
from app_integration._internal.tracing import correlation_headers
from app_integration.errors import (
    ConfigurationError,
    DeadlineExceeded,
    ServerFault,
    StrongroomError,
    Unreachable,
)
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.transport.connection_pool import OnCertificate, create_pool, ignore_certificate
from app_integration.transport.dns import MIN_TIMEOUT
from app_integration.transport.payloads import is_token
from app_integration.transport.request import READS, Request, RequestSender, Response
from app_integration.transport.responses import ResponseTooLarge, accept, read_whole
from app_integration.transport.tls import create_ssl_context

_CHECK: Final = "check it, VAULT_CACERT, VAULT_ADDR and this machine's clock"


def connection_error(request: object, address: str, error: Exception) -> StrongroomError:
    """Return the error for a *request* that got no complete response."""
    if isinstance(error, ResponseTooLarge):
        return ServerFault(f"{request}: {error}; check VAULT_ADDR, or request less")
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return DeadlineExceeded(
            f"{request}: {address} sent no complete response in time; call again"
        )
    if isinstance(error, urllib3.exceptions.SSLError) and (untrusted := _untrusted(error)):
        reason = untrusted.verify_message.rstrip(".")
        return Unreachable(
            f"the certificate of {address} is not trusted ({reason}); {_CHECK}", not_sent=True
        )
    before_sending = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    return Unreachable(
        f"{address} cannot be reached ({type(error).__name__}); check that it runs, and VAULT_ADDR",
        not_sent=isinstance(error, before_sending),
    )


def _untrusted(error: Exception) -> ssl.SSLCertVerificationError | None:
    """Return the reason for which the certificate was rejected, None if it was not."""
    reason = error.args[0] if error.args else None
    return reason if isinstance(reason, ssl.SSLCertVerificationError) else None


_SCHEMES: Final = {"http", "https"}
_REDIRECT: Final = {301, 302, 307, 308}
_INDEX: Final = "X-Vault-Index"


class StoragePosition:
    """Position of a session's last write, which its later requests must see. Thread-safe.

    A standby answers reads from a copy of the storage that may lack a write which it has just
    passed to the leader. With *headers*, it passes such a read on, too.
    """

    def __init__(self) -> None:
        """Start without a write."""
        self.headers: Mapping[str, str] = {}

    def record(self, headers: Mapping[str, str]) -> None:
        """Take the position from the *headers* of the response to a write.

        A login counts as a write: what was there before it is seen, too.
        """
        if _INDEX in headers:
            index = headers[_INDEX]
            self.headers = {_INDEX: index, "X-Vault-Inconsistent": "forward-active-node"}


class Transport(RequestSender):
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

        *cacert* is None for certifi's bundle, *certificate* is the client's certificate and its
        key, and the senders to one cluster share *position*. The server's messages about what is
        below *mounts* are not repeated in errors.
        """
        self.address = address
        self._headers = {"X-Vault-Namespace": namespace} if namespace else {}
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

    def exchange(self, request: Request, *, timeout: float, token: str | None) -> Response:
        """Send *request* and return its response. See :meth:`.RequestSender.exchange`.

        A standby redirects to the leader. One hop is followed, with the same request.
        """
        if token is not None and not is_token(token):
            raise ConfigurationError(
                "the Vault token has a line break or another character that no token has; write "
                "the token alone, on one line"
            )
        request.response = None
        end = self._clock() + timeout
        response = self._request(request, token, end, self.address)
        if isinstance(response, Response) and response.status in _REDIRECT:
            leader = self._leader_address(request, response.headers.get("Location", ""))
            response = self._request(request, token, end, leader)
            if isinstance(response, Response) and response.status in _REDIRECT:
                response = Unreachable(
                    f"{request}: the leader redirects, too; check that the cluster has a leader",
                    not_sent=True,
                )
        # Raised here and not where it occurred, so that neither the exceptions of the library nor
        # their frames are part of the traceback.
        if isinstance(response, StrongroomError):
            raise response
        return accept(request, response, self._mounts)

    def _request(
        self, request: Request, token: str | None, end: float, address: str
    ) -> Response | StrongroomError:
        """Return the response of *address*, or the error if it is not complete by *end*."""
        try:
            pool = self._pools.get(address) or self._open_pool(address)
            headers = {**self._headers, **self._position.headers, **request.headers}
            headers.update(correlation_headers())
            if token is not None:
                headers["X-Vault-Token"] = token
            left = max(end - self._clock(), MIN_TIMEOUT)
            response = pool.urlopen(
                request.method,
                f"/v1/{request.target}",
                body=request.body,
                headers=headers,
                timeout=urllib3.Timeout(left, connect=min(self._connect_timeout, left)),
                redirect=False,
                preload_content=False,
            )
            with closing(response):
                whole = read_whole(response, has_body=request.method != "HEAD")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return connection_error(request, address, error)
        if request.method not in READS:
            self._position.record(whole.headers)
        return whole

    def _open_pool(self, address: str) -> HTTPConnectionPool:
        created = create_pool(address, self._get_tls_context, self._on_certificate)
        return self._pools.setdefault(address, created)

    def _get_tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = create_ssl_context(self._cacert, self._certificate)
        return self._context

    def _leader_address(self, request: Request, location: str) -> str:
        """Return the address in *location*, which must be for the same path and no less secure."""
        here, there = urlsplit(self.address), _parse_location(location)
        if (
            there is None
            or there.scheme not in _SCHEMES
            or there.path != f"/v1/{request.path}"
            or _is_weaker(here, there)
        ):
            raise Unreachable(f"{request}: {self.address} redirects elsewhere; check VAULT_ADDR")
        return f"{there.scheme}://{there.netloc}"

    def close(self) -> None:
        """Close the pooled connections."""
        for connections in [*self._pools.values()]:
            connections.close()


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
