"""A session with the server: login, renewal, re-login, retries and one deadline for each call."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from app_integration._internal import fork_safety
from app_integration._internal.background_worker import is_background
from app_integration.auth.methods import AuthMethod, Token
from app_integration.errors import RequestRefused, StrongroomError
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import Scope
from app_integration.session.connection import Connection, connect_http
from app_integration.session.requests import Requests
from app_integration.session.retry import Retry
from app_integration.session.token_manager import TokenManager, session_closed
from app_integration.session.token_renewer import TokenRenewer
from app_integration.settings import Limits
from app_integration.transport import payloads
from app_integration.transport.http import StoragePosition
from app_integration.transport.request import HiddenBody, Request, RequestSender

log = logging.getLogger(__name__)
#: Seconds that revoking the token may take, so that a process does not wait for a server to exit.
CLOSE_SECONDS = 2.0


class Session:
    """A session with one server, or one cluster, under one identity. Thread-safe.

    It logs in at the first request. A daemon thread renews the token, because leased database users
    are revoked with the token that leased them. A forked process logs in for itself.

    A closed session opens again at the next request of the application, as an engine of SQLAlchemy
    does after ``dispose()``: what was built on it may outlive a lifespan.

    Attributes:
        mounts: The mounts of the deployment.
        requests: What sends each request. A fork and a close replace it.

    """

    def __init__(
        self,
        address: str,
        auth_method: AuthMethod,
        *,
        extra_addresses: Sequence[str] = (),
        cacert: Path | None = None,
        certificate: tuple[Path, Path] | None = None,
        namespace: str = "",
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        connect: Callable[[], RequestSender] | None = None,
        wrap_sender: Callable[[RequestSender], RequestSender] | None = None,
        mounts: Mounts = DEFAULT_MOUNTS,
        scope: Scope | None = None,
    ) -> None:
        """Load the certificates; nothing is sent before the first request.

        Args:
            address: ``http(s)://host:port``, or ``unix://`` with the path of a socket.
            auth_method: Logs in.
            extra_addresses: More addresses of the same cluster.
            cacert: A PEM file of the trusted authorities; None for certifi's bundle.
            certificate: PEM files of the client's certificate and of its key.
            namespace: The Vault namespace; empty for the root namespace.
            limits: Time limits; the defaults if None.
            clock: Monotonic, in seconds.
            sleep: Sleeps for that many seconds.
            connect: Opens what requests are sent through: once in each process, and once for each
                login. None for HTTP.
            wrap_sender: Wraps the sender for HTTP; it has no effect together with *connect*.
            mounts: Mounts of the deployment. Errors of requests below them hide the server's
                message.
            scope: The service of the login, or None for that of no service.

        Raises:
            ConfigurationError: If a certificate cannot be read.

        """
        self._addresses = (address, *extra_addresses)
        self._auth_method = auth_method
        self._limits = limits or Limits()
        self._connect = connect or partial(
            connect_http,
            self._addresses,
            cacert=cacert,
            certificate=certificate,
            namespace=namespace,
            connect_timeout=self._limits.connect_timeout,
            wrap_sender=wrap_sender,
            mounts=mounts,
            position=StoragePosition(),  # one, because each login has connections of its own
        )
        self.mounts, self._scope = mounts, scope
        self._clock = clock
        self._retry = Retry(self._limits, clock, sleep)
        self._is_closed = False
        #: Called when it opens again, because its owner has to close it again.
        self.on_reopen: Callable[[], object] = lambda: None
        self.reset_after_fork()
        self._connection.open()  # so that a certificate that cannot be read is an error here
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Drop connections and token, and recreate the locks. The next request logs in."""
        self._lock = threading.RLock()  # reentrant, because a signal handler may close
        self._drop()

    def _drop(self) -> None:
        self._connection = Connection(self._connect, self._clock)
        self._tokens = TokenManager(
            self._auth_method,
            ", ".join(self._addresses),
            self._connection.open_for_login,
            self._limits,
            self._clock,
            partial(self._reopen, self._connection),
        )
        self._renewer = TokenRenewer(self._tokens, self._connection, self._deadline, self._limits)
        self._tokens.on_login = self._renewer.start
        self.requests = Requests(
            self._connection,
            self._tokens,
            self._renewer,
            self._retry,
            clock=self._clock,
            limits=self._limits,
            mounts=self.mounts,
            scope=self._scope,
        )

    @property
    def address(self) -> str:
        """Return the address of the server, the first one of a cluster."""
        return self._addresses[0]

    @property
    def accessor_hmac(self) -> str | None:
        """Return the HMAC of the token's accessor, as the audit log has it; None if unknown."""
        token = self._tokens.cached_token
        return token.accessor_hmac if token else None

    @property
    def policies(self) -> tuple[str, ...]:
        """Return the policies of the login; none before it, or if they are unknown."""
        token = self._tokens.cached_token
        return token.policies if token else ()

    @property
    def login_count(self) -> int:
        """Return the number of successful logins. The leases of a token are revoked with it."""
        return self._tokens.logins

    def get(self, path: str) -> dict[str, Any]:
        """Send a GET and return the decoded response; ``{}`` if it has no body.

        Args:
            path: API path without the leading ``/v1/``.

        Raises:
            AccessDenied: If the policy does not grant the path, or the path is absent.
            RequestRefused: If the server returns 400, 404 or the like; see its ``status``.
            ServerError: If the server is unreachable, sealed or failing, or the deadline is over.
            AuthenticationFailed: If the login is rejected.

        """
        return self.requests.exchange(Request.from_sdk("GET", path)).payload

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        wrap_ttl: int | None = None,
        retry: bool = True,
    ) -> dict[str, Any]:
        """Send a POST and return the decoded response. It raises the errors of :meth:`get`.

        Args:
            path: API path without the leading ``/v1/``.
            body: Sent as JSON.
            wrap_ttl: Seconds; requests a wrapped response, which can be unwrapped for so long.
            retry: False to disable retries after an error of the server, as for every wrapped
                request. After a 403 for an expired token the request is sent again, because the
                server did not carry it out.

        """
        hidden = HiddenBody(body or {})
        del body  # so that no frame of a traceback shows it
        request = Request.from_sdk("POST", path, hidden, wrap_ttl=wrap_ttl, retry=retry)
        return self.requests.exchange(request).payload

    def list(self, path: str) -> list[str]:
        """Return the keys below *path*; ``[]`` if there are none. Raises as :meth:`get`."""
        try:
            response = self.requests.exchange(Request.from_sdk("LIST", path))
            return payloads.parse_keys(response.payload, path)
        except RequestRefused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return []
            raise

    def delete(self, path: str) -> None:
        """Send a DELETE. It raises the errors of :meth:`get`."""
        self.requests.exchange(Request.from_sdk("DELETE", path))

    def close(self) -> None:
        """Stop the renewal, revoke the token with all its leases, and close the connections.

        A token that another process owns is not revoked. Revoking takes at most
        :data:`CLOSE_SECONDS`. What is under way may fail; the next request opens it again.
        """
        # Otherwise two concurrent calls would both close what one of them replaces.
        with self._lock:
            connection, tokens, renewer = self._connection, self._tokens, self._renewer
            self._is_closed = True
            self._drop()
        renewer.stop()
        token = tokens.close()
        if token is not None:
            self._revoke(token, connection)
        connection.close()

    def _reopen(self, connection: Connection) -> None:
        """Note that a closed session opens again, unless the request began before the close."""
        with self._lock:
            was_closed = self._is_closed
            if connection is not self._connection or (was_closed and is_background()):
                raise session_closed()
            self._is_closed = False
        if was_closed:
            self.on_reopen()

    def _revoke(self, token: Token, connection: Connection) -> None:
        deadline = self._clock() + min(CLOSE_SECONDS, self._limits.deadline)
        try:
            connection.send(deadline, "POST", "auth/token/revoke-self", {}, token=token)
        except StrongroomError as error:
            log.info("could not revoke the Vault token; it stays valid until it expires: %s", error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _deadline(self) -> float:
        return self._clock() + self._limits.deadline
