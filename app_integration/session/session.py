"""One logged-in connection to the server: login, renewal, re-login, retries, one deadline."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from app_integration._internal import fork_safety
from app_integration.auth.from_settings import auth_method_of
from app_integration.auth.methods import AuthMethod, Send, Token
from app_integration.errors import (
    AccessDenied,
    RequestRefused,
    ServerError,
    StrongroomError,
)
from app_integration.observability import metrics
from app_integration.session.call import Call, count_orphan
from app_integration.session.retry import Retry
from app_integration.session.token_manager import TokenManager
from app_integration.session.token_renewer import TokenRenewer
from app_integration.settings import Limits, Settings
from app_integration.transport import answers
from app_integration.transport.failover import FailoverTransport
from app_integration.transport.http import Hidden, Sender, Transport

log = logging.getLogger(__name__)
#: Seconds that giving a token back may take: a process that ends doesn't wait for a server.
CLOSE_SECONDS = 2.0


class Session:
    """Requests to one server, or one cluster, under one identity.

    Thread-safe. It logs in at the first request; a daemon thread renews the token, since leased
    database users die with the token that leased them. A process that forked logs in for itself.
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
        connect: Callable[[], Sender] | None = None,
        through: Callable[[Sender], Sender] | None = None,
    ) -> None:
        """Args: *clock* in seconds, monotonic; *sleep* pauses for seconds.

        *extra_addresses* are more addresses of the same cluster; *certificate* and its key are PEM
        files; *namespace* is where paths begin. *connect* gives what requests are sent through,
        once in each process and once for each login; None for HTTP, which *through* wraps.
        """
        self._addresses = (address, *extra_addresses)
        self._cacert = cacert
        self._certificate = certificate
        self._namespace = namespace
        self._connect = connect or self._over_http
        self._through = through
        self._auth_method = auth_method
        self._limits = limits or Limits()
        self._clock = clock
        self._retry = Retry(self._limits, clock, sleep)
        self.reset_after_fork()
        self._opened()  # what can't be opened is refused here
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Fresh sockets, locks and no token: a forked child logs in for itself."""
        self._opening = threading.Lock()
        self._transport: Sender | None = None
        self._tokens = TokenManager(
            self._auth_method,
            ", ".join(self._addresses),
            self._connected,
            self._limits,
            self._clock,
        )
        self._renewal = TokenRenewer(self._tokens, self._within, self._deadline, self._limits)

    def _opened(self) -> Sender:
        """What requests are sent through, opened when first used after a fork.

        Raises:
            ConfigurationError: a certificate can't be read.

        """
        with self._opening:
            if self._transport is None:
                self._transport = self._connect()
            return self._transport

    def _over_http(self) -> Sender:
        senders = [
            Transport(
                address,
                cacert=self._cacert,
                certificate=self._certificate,
                namespace=self._namespace,
                connect_timeout=self._limits.connect_timeout,
            )
            for address in self._addresses
        ]
        sender = senders[0] if len(senders) == 1 else FailoverTransport(senders)
        return self._through(sender) if self._through else sender

    @property
    def accessor(self) -> str | None:
        """What the server's audit log writes for the accessor of the token, when it is known."""
        token = self._tokens.held
        return token.accessor_hmac if token else None

    @property
    def logins(self) -> int:
        """How many times it has logged in. What a token leased ends with that token."""
        return self._tokens.logins

    def get(self, path: str) -> dict[str, Any]:
        """The decoded answer to a GET of *path* (no leading ``/v1/``); ``{}`` for none.

        Raises:
            AccessDenied: the token may not, or the path is absent.
            RequestRefused: 400 or 404 and the like; its ``status`` tells.
            ServerError: the server is away, sealed, failing, or the deadline ran out.
            AuthenticationFailed: the login was refused.

        """
        return self._request("GET", path)

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        wrap_ttl: int | None = None,
        retry: bool = True,
    ) -> dict[str, Any]:
        """The decoded answer to a POST; raises as :meth:`get` does.

        Args:
            path: API path without the leading ``/v1/``.
            body: sent as JSON.
            wrap_ttl: seconds; the answer comes response-wrapped.
            retry: False for what must not be sent twice. A wrapped request never is.

        """
        hidden, body = Hidden(body or {}), None  # no frame of ours shows it
        again = retry and wrap_ttl is None
        return self._request("POST", path, body=hidden, wrap_ttl=wrap_ttl, retry=again)

    def list(self, path: str) -> list[str]:
        """The keys below *path*; ``[]`` when there are none. Raises as :meth:`get` does."""
        try:
            return answers.keys(self._request("LIST", path), path)
        except RequestRefused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return []
            raise

    def delete(self, path: str) -> None:
        """Send a DELETE; raises as :meth:`get` does."""
        self._request("DELETE", path)

    def close(self) -> None:
        """Stop renewing, and give back the token with all its leases."""
        self._renewal.stop()
        token = self._tokens.close()
        if token is not None:
            self._give_back(token)
        if self._transport is not None:
            self._transport.close()

    def _give_back(self, token: Token) -> None:
        deadline = self._clock() + min(CLOSE_SECONDS, self._limits.deadline)
        try:
            self._within(deadline)("POST", "auth/token/revoke-self", {}, token=token)
        except StrongroomError as error:
            log.info("the token wasn't revoked and will expire by itself: %s", error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _deadline(self) -> float:
        return self._clock() + self._limits.deadline

    @metrics.counted("request")
    def _request(
        self,
        method: str,
        path: str,
        *,
        body: Hidden | None = None,
        wrap_ttl: int | None = None,
        retry: bool = True,
    ) -> dict[str, Any]:
        deadline = self._deadline()
        attempt = partial(self._attempt, Call(method, path, body, wrap_ttl), deadline)
        return self._retry(attempt, deadline) if retry else attempt()

    def _attempt(self, call: Call, deadline: float) -> dict[str, Any]:
        """*call* with the token in use; once more with a new one when that turns out dead."""
        token = self._tokens.current(deadline)
        self._renewal.begin(token)
        try:
            return self._sent(call, token, deadline)
        except AccessDenied:
            if not self._tokens.may_have_expired(token) or self._is_valid(token, deadline):
                raise
        fresh = self._tokens.reauthenticate(token, deadline)
        try:
            return self._sent(call, fresh, deadline)
        except AccessDenied:
            self._tokens.note_denial()
            raise

    def _is_valid(self, token: Token, deadline: float) -> bool:
        """Whether a 403 was about the path; nobody is asked about a token already replaced."""
        return token is self._tokens.held and self._renewal.is_valid(token, deadline)

    def _sent(self, call: Call, token: Token, deadline: float) -> dict[str, Any]:
        sender = self._transport or self._opened()
        try:
            return self._send(
                sender,
                deadline,
                call.method,
                call.path,
                call.body,
                token=token,
                wrap_ttl=call.wrap_ttl,
            )
        except ServerError as error:
            count_orphan(call, error)
            raise

    def _within(self, deadline: float) -> Send:
        """Return what sends over the session's connection until *deadline*."""
        return partial(self._send, self._transport or self._opened(), deadline)

    @contextmanager
    def _connected(self, deadline: float) -> Iterator[Send]:
        """Yield what sends over a connection of its own until *deadline*."""
        with closing(self._connect()) as sender:
            yield partial(self._send, sender, deadline)

    def _send(
        self,
        sender: Sender,
        deadline: float,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        token: Token | None = None,
        wrap_ttl: int | None = None,
    ) -> dict[str, Any]:
        return sender.send(
            method,
            path,
            timeout=max(deadline - self._clock(), 0.001),
            token=token.value if token else None,
            body=None if body is None else Hidden(body),
            wrap_ttl=wrap_ttl,
        )


def open_session(settings: Settings) -> Session:
    """The session that *settings* describe.

    Raises:
        ConfigurationError: the address or a file is not set. Nothing is sent.

    """
    return Session(
        settings.required_address(),
        auth_method_of(settings),
        extra_addresses=settings.extra_addresses,
        cacert=settings.vault_cacert,
        certificate=settings.auth.certificate,
        namespace=settings.vault_namespace,
        limits=settings.limits,
    )
