"""One logged-in connection to the server: login, renewal, re-login, retries, one deadline."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from app_integration import forks, metrics
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    AuthenticationFailed,
    RequestRefused,
    ServerFault,
    StrongroomError,
)
from app_integration.identity import login_of
from app_integration.login import Login, Token
from app_integration.retry import Retry
from app_integration.settings import Limits, Settings
from app_integration.single_flight import SingleFlight
from app_integration.transport import Sender, Transport

log = logging.getLogger(__name__)
_RENEW_RETRY = 5.0  # seconds between attempts to renew while the server is away
#: Seconds that giving a token back may take: a process that ends doesn't wait for a server.
CLOSE_SECONDS = 2.0


class Session:
    """Requests to one server under one identity.

    Thread-safe. It logs in at the first request; a daemon thread renews the token, since leased
    database users die with the token that leased them. A process that forked logs in for itself.
    """

    def __init__(
        self,
        address: str,
        login: Login,
        *,
        cacert: Path | None = None,
        certificate: tuple[Path, Path] | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        connect: Callable[[], Sender] | None = None,
    ) -> None:
        """Args: *certificate* and key in PEM files; *clock* in seconds; *sleep* pauses for them.

        *connect* gives what requests are sent through, once in each process; None for HTTP.
        """
        self._address = address
        self._cacert = cacert
        self._certificate = certificate
        self._connect = connect or self._over_http
        self._login = login
        self._limits = limits or Limits()
        self._clock = clock
        self._retry = Retry(self._limits, clock, sleep)
        self.forget()
        forks.forget_in_child(self)

    def forget(self) -> None:
        """Fresh sockets, locks and no token: a forked child logs in for itself."""
        self._lock = threading.Lock()
        self._logins: SingleFlight[Token] = SingleFlight()
        self._closed = threading.Event()
        self._token: Token | None = None
        #: What the server's audit log writes for the accessor of the token, when that is known.
        self.accessor: str | None = None
        self._count = 0
        self._renewer: threading.Thread | None = None
        self._transport = self._connect()

    def _over_http(self) -> Sender:
        return Transport(
            self._address,
            cacert=self._cacert,
            certificate=self._certificate,
            connect_timeout=self._limits.connect_timeout,
        )

    @property
    def logins(self) -> int:
        """How many times it has logged in. What a token leased ends with that token."""
        return self._count

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
        again = retry and wrap_ttl is None
        return self._request("POST", path, body=body or {}, wrap_ttl=wrap_ttl, retry=again)

    def list(self, path: str) -> list[str]:
        """The keys below *path*; ``[]`` when there are none. Raises as :meth:`get` does."""
        try:
            answer = self._request("LIST", path)
        except RequestRefused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return []
            raise
        return [str(key) for key in answer["data"]["keys"]]

    def delete(self, path: str) -> None:
        """Send a DELETE; raises as :meth:`get` does."""
        self._request("DELETE", path)

    def close(self) -> None:
        """Stop renewing, and give back the token with all its leases."""
        with self._lock:
            self._closed.set()
            token, self._token = self._token, None
        self._give_back(token)
        self._transport.close()

    def _give_back(self, token: Token | None) -> None:
        if token is None or not self._login.ours:
            return
        deadline = self._clock() + min(CLOSE_SECONDS, self._limits.deadline)
        try:
            self._attempt("POST", "auth/token/revoke-self", token, deadline)
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
        body: Mapping[str, Any] | None = None,
        wrap_ttl: int | None = None,
        retry: bool = True,
    ) -> dict[str, Any]:
        deadline = self._deadline()

        def send() -> dict[str, Any]:
            token = self._current_token(deadline)
            try:
                return self._attempt(method, path, token, deadline, body, wrap_ttl)
            except AccessDenied:
                if self._is_valid(token, deadline):
                    raise
            return self._attempt(
                method, path, self._log_in_again(token, deadline), deadline, body, wrap_ttl
            )

        return self._retry(send, deadline) if retry else send()

    def _attempt(
        self,
        method: str,
        path: str,
        token: Token | None,
        deadline: float,
        body: Mapping[str, Any] | None = None,
        wrap_ttl: int | None = None,
    ) -> dict[str, Any]:
        return self._transport.send(
            method,
            path,
            timeout=max(deadline - self._clock(), 0.001),
            token=token.value.reveal() if token and token.value else None,
            body=body,
            wrap_ttl=wrap_ttl,
        )

    def _current_token(self, deadline: float) -> Token:
        token = self._token
        if token is None or self._login.changed():
            return self._log_in_again(token, deadline)
        return token

    def _is_valid(self, token: Token, deadline: float) -> bool:
        """Whether a 403 was about the path: asks once what the server thinks of the token."""
        try:
            self._attempt("GET", "auth/token/lookup-self", token, deadline)
        except AccessDenied:
            return False
        return True

    def _log_in_again(self, stale: Token | None, deadline: float) -> Token:
        """A fresh token in place of *stale*; threads that fail together log in once."""
        return self._logins.do("login", partial(self._replace, stale, deadline))

    def _replace(self, stale: Token | None, deadline: float) -> Token:
        current = self._token
        if current is not None and current is not stale:
            return current
        token = None if self._closed.is_set() else self._log_in(deadline)
        if token and stale and token.value == stale.value:
            raise self._refused()
        with self._lock:
            closed = self._closed.is_set()
            if not closed:
                self._token = token
                self._count += 1
        if token is None or closed:
            self._give_back(token)
            raise AuthenticationFailed("this session was closed; open another")
        metrics.current().lease("token", token.ttl)
        self.accessor = token.shown_as
        self._keep_renewing(token)
        return token

    @metrics.counted("login")
    def _log_in(self, deadline: float) -> Token:
        def post(
            path: str, body: Mapping[str, Any], *, token: Token | None = None
        ) -> dict[str, Any]:
            return self._attempt("POST", path, token, deadline, body)

        try:
            return self._login(post)
        except AccessDenied:
            raise self._refused() from None
        except RequestRefused as refused:
            raise self._refused() from refused

    def _refused(self) -> AuthenticationFailed:
        return AuthenticationFailed(f"login at {self._address} was refused; {self._login.remedy}")

    def _keep_renewing(self, token: Token) -> None:
        if self._renewer is None and token.renewable:
            self._renewer = threading.Thread(
                target=self._renew_for_ever, args=(self._closed,), name="vault-renewal", daemon=True
            )
            self._renewer.start()

    def _renew_for_ever(self, closed: threading.Event) -> None:
        pause = self._renewal_pause()
        while not closed.wait(pause):
            try:
                self._renew()
                pause = self._renewal_pause()
            except OUTAGE as error:
                log.warning("the token wasn't renewed: %s", error)
                pause = _RENEW_RETRY
            except StrongroomError as error:
                if not closed.is_set():
                    log.error("the token can't be renewed, and login failed: %s", error)  # noqa: TRY400 (no traceback: it says it all)
                pause = _RENEW_RETRY

    def _renewal_pause(self) -> float:
        token = self._token
        return token.ttl * self._limits.renew_at if token else _RENEW_RETRY

    @metrics.counted("renewal")
    def _renew(self) -> None:
        token, deadline = self._token, self._deadline()
        if token is None:
            self._log_in_again(None, deadline)
            return
        try:
            answer = self._attempt("POST", "auth/token/renew-self", token, deadline, {})
        except (AccessDenied, RequestRefused, ServerFault):  # past its end, the server answers 500
            self._log_in_again(token, deadline)
            return
        renewed = Token.from_auth(answer["auth"])
        if renewed.ttl < token.ttl * self._limits.renew_at:
            # Cut short: the token nears the end that no renewal moves.
            self._log_in_again(token, deadline)
            return
        with self._lock:
            if self._token is token:
                self._token = renewed
        metrics.current().lease("token", renewed.ttl)


def open_session(settings: Settings) -> Session:
    """The session that *settings* describe.

    Raises:
        ConfigurationError: the address or a file is not set. Nothing is sent.
    """
    return Session(
        settings.required_address(),
        login_of(settings),
        cacert=settings.vault_cacert,
        certificate=settings.auth.certificate,
        limits=settings.limits,
    )
