"""Management of a session's Vault token: log in on first use, log in again on expiry."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

from app_integration._internal.single_flight import SingleFlight
from app_integration._internal.tracing import span
from app_integration.auth.methods import AuthMethod, Send, Token
from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    RequestRefused,
    StrongroomError,
)
from app_integration.observability import metrics
from app_integration.settings import Limits

log = logging.getLogger(__name__)

#: Seconds in which a 403 does not count as a sign of an expired token, after a new token got one
#: too. Otherwise a token whose policy does not grant ``lookup-self`` would be replaced at every
#: denial.
DENIAL_SECONDS: Final = 30.0


class TokenManager:
    """Manager of one Vault token. Thread-safe.

    Threads that need a new token at the same time share one login.
    """

    def __init__(
        self,
        auth_method: AuthMethod,
        addresses: str,
        connect: Callable[[float], AbstractContextManager[Send]],
        limits: Limits,
        clock: Callable[[], float],
        before_login: Callable[[], object],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Send nothing yet."""
        self.auth_method = auth_method
        self._addresses = addresses
        self._connect = connect
        self._limits = limits
        self._clock = clock
        self._before_login = before_login
        self._jitter = jitter
        self._lock = threading.Lock()
        self._logins: SingleFlight[Token] = SingleFlight()
        self._closed = False
        self.logins = 0  # successful ones, so that a caller notices that the token was replaced
        self.cached_token: Token | None = None
        self.on_login: Callable[[Token], object] = lambda _: None
        # The last token that a login returned although requests with it were denied.
        self._rejected_token: Token | None = None
        self._last_refusal: AuthenticationFailed | None = None
        self._refusal_count = 0  # in a row
        self._not_before = 0.0  # on the clock, after a refusal
        self._use_new_at = 0.0  # on the clock, after a login with a new credential that failed
        self._denied_until = float("-inf")  # on the clock

    def check_open(self) -> None:
        """Raise an error if :meth:`close` was called."""
        if self._closed:
            raise session_closed()

    def get_token(self, deadline: float) -> Token:
        """Return the token to send.

        Logs in if there is none yet, or if the auth method has a new credential. If the login
        fails, a token of this process stays in use, because it is valid without a credential.
        """
        token = self.cached_token
        if token is None:
            return self.reauthenticate(token, deadline)
        if self.auth_method.has_new_credential() and self._clock() >= self._use_new_at:
            return self._use_new_credential(token, deadline)
        return token

    def _use_new_credential(self, token: Token, deadline: float) -> Token:
        try:
            return self.reauthenticate(token, deadline, keeps_stale=self.auth_method.owns_token)
        except StrongroomError as error:
            if not self.auth_method.owns_token or self._closed:
                raise
            # Otherwise each request would send a login while the server fails or limits logins.
            self._use_new_at = self._clock() + self._limits.login_retry_base
            log.error("the new credential is not used, and the old token is: %s", error)  # noqa: TRY400 (no traceback: the message says enough)
            return token

    def reauthenticate(
        self, stale: Token | None, deadline: float, *, keeps_stale: bool = False
    ) -> Token:
        """Return a token that replaces *stale*. Concurrent callers share one login.

        If another thread has replaced *stale* already, its successor is returned without a login.
        With *keeps_stale*, *stale* stays in use if the login is rejected.
        """
        return self._logins.do("login", partial(self._replace, stale, deadline, keeps_stale))

    def may_have_expired(self, token: Token) -> bool:
        """Return whether a 403 for *token* may mean that it has expired.

        It does not if a new token was denied too within the last :data:`DENIAL_SECONDS`: then the
        policy denies the path.
        """
        return token is not self.cached_token or self._clock() >= self._denied_until

    def note_denial(self) -> None:
        """Note that a new token was denied too, so that the policy denies the path."""
        self._denied_until = self._clock() + DENIAL_SECONDS

    def replace_renewed(self, old: Token, new: Token) -> None:
        """Replace *old* by *new*, the same token as its renewal describes it."""
        with self._lock:
            if self.cached_token is old:
                self.cached_token = new
        metrics.get_recorder().record_ttl("token", new.ttl)

    def close(self) -> Token | None:
        """Prevent further logins.

        Return the token to revoke; None if there is none, or another process owns it.
        """
        with self._lock:
            self._closed = True
            token, self.cached_token = self.cached_token, None
        return token if self.auth_method.owns_token else None

    def _replace(self, stale: Token | None, deadline: float, keeps_stale: bool) -> Token:
        current = self.cached_token
        if current is not None and current is not stale:
            return current
        self.check_open()
        self._before_login()
        token = self._log_in(stale, deadline, keeps_stale)
        with self._lock:
            was_closed = self._closed
            if not was_closed:
                self.cached_token = token
                self.logins += 1
        if was_closed:
            self._revoke(token, deadline)
            raise session_closed()
        if token.ttl > 0:
            metrics.get_recorder().record_ttl("token", token.ttl)
        self.on_login(token)
        return token

    def _log_in(self, stale: Token | None, deadline: float, keeps_stale: bool) -> Token:
        self._check_backoff()
        try:
            token = self._send_login(deadline)
            if any(each and each.value == token.value for each in (stale, self._rejected_token)):
                self._rejected_token = token if token.value is not None else None
                raise self._login_rejected()
        except AuthenticationFailed as refusal:
            self._start_backoff(refusal)
            if not keeps_stale:
                with self._lock:
                    self.cached_token = None
            raise
        self._refusal_count, self._last_refusal = 0, None
        return token

    @metrics.count_outcomes("login")
    def _send_login(self, deadline: float) -> Token:
        # On a connection of its own, so that a login that breaks its connection harms no request.
        with span("log_in", method=self.auth_method.label), self._connect(deadline) as send:
            try:
                return self.auth_method.login(send)
            except AccessDenied:
                raise self._login_rejected() from None
            except RequestRefused as refused:
                raise self._login_rejected(f": {refused}") from refused

    def _login_rejected(self, reason: str = "") -> AuthenticationFailed:
        """Return the error for a rejected login, with the server's *reason* if it sent one.

        The server's message repeats no credential.
        """
        message = f"login at {self._addresses} was rejected{reason}"
        return AuthenticationFailed(f"{message}; {self.auth_method.hint}")

    def _check_backoff(self) -> None:
        """Raise the last refusal again while its backoff lasts.

        The server locks out a client that fails to log in too often.
        """
        wait = self._not_before - self._clock()
        if (
            self._last_refusal is not None
            and wait > 0
            and not self.auth_method.has_new_credential()
        ):
            raise type(self._last_refusal)(
                f"{self._last_refusal} (the next login attempt is possible in {wait:.0f} s)"
            )

    def _start_backoff(self, refusal: AuthenticationFailed) -> None:
        backoff = min(
            self._limits.login_retry_base * 2**self._refusal_count, self._limits.login_retry_max
        )
        self._last_refusal, self._refusal_count = refusal, self._refusal_count + 1
        self._not_before = self._clock() + backoff * (1 + self._jitter()) / 2

    def _revoke(self, token: Token, deadline: float) -> None:
        """Revoke a token whose login finished after the session was closed."""
        if self.auth_method.owns_token:
            with self._connect(deadline) as send:
                send("POST", "auth/token/revoke-self", token=token)


def session_closed() -> AuthenticationFailed:
    """Return the error of what was under way when its session was closed."""
    return AuthenticationFailed(
        "this session was closed during this call, because close() was called, as a framework does "
        "at shutdown; call again, which opens it again"
    )
