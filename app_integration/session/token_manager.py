"""The one token of a session: had at first use, replaced when it is dead, given back at the end."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

from app_integration._internal.single_flight import SingleFlight
from app_integration.auth.methods import AuthMethod, Send, Token
from app_integration.errors import AccessDenied, AuthenticationFailed, RequestRefused
from app_integration.observability import metrics
from app_integration.settings import Limits

log = logging.getLogger(__name__)

#: Seconds for which a 403 isn't taken as a sign of a dead token, once a new one got it too: a token
#: that may not look itself up would otherwise be replaced at every denial.
DENIAL_SECONDS: Final = 30.0


class TokenManager:
    """Thread-safe. Threads that find the token dead together log in once."""

    def __init__(
        self,
        auth_method: AuthMethod,
        where: str,
        connect: Callable[[float], AbstractContextManager[Send]],
        limits: Limits,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Args: *where* stands in errors; *clock* in seconds; *jitter* gives 0.0 to 1.0.

        *connect* opens a connection that is used until a deadline, and closed after that.
        """
        self.auth_method = auth_method
        self._where = where
        self._connect = connect
        self._limits = limits
        self._clock = clock
        self._jitter = jitter
        self._lock = threading.Lock()
        self._logins: SingleFlight[Token] = SingleFlight()
        self._closed = False
        self.logins = 0  # that gave the token in use, and those before it
        self._token: Token | None = None
        self._dead: Token | None = None  # the last one that a login gave though it was refused
        self._refusal: AuthenticationFailed | None = None
        self._refusals = 0  # in a row
        self._not_before = 0.0  # on the clock, after a refusal
        self._denied_until = float("-inf")  # on the clock

    @property
    def held(self) -> Token | None:
        """The token in use; None before the first login and after the end."""
        return self._token

    def current(self, deadline: float) -> Token:
        """The token to send, from a login when there is none yet."""
        token = self._token
        if token is None or self.auth_method.has_new_credential():
            return self.reauthenticate(token, deadline)
        return token

    def reauthenticate(self, stale: Token | None, deadline: float) -> Token:
        """A fresh token in place of *stale*; threads that come together share one login.

        Raises:
            AuthenticationFailed: the login was refused, lately or now, or the session is closed.
            ServerError: the server is away.

        """
        return self._logins.do("login", partial(self._replace, stale, deadline))

    def may_have_expired(self, token: Token) -> bool:
        """Whether a 403 with *token* is worth asking about, or it is known to be the path's."""
        return token is not self._token or self._clock() >= self._denied_until

    def note_denial(self) -> None:
        """A new token was denied the same: it is the path, whatever a look-up says."""
        self._denied_until = self._clock() + DENIAL_SECONDS

    def renewed(self, old: Token, new: Token) -> None:
        """*new* is what the server says of *old* after its renewal."""
        with self._lock:
            if self._token is old:
                self._token = new
        metrics.current().lease("token", new.ttl)

    def close(self) -> Token | None:
        """No login from now on; gives the token to revoke, when it is this process's own."""
        with self._lock:
            self._closed = True
            token, self._token = self._token, None
        return token if self.auth_method.owns_token else None

    def _replace(self, stale: Token | None, deadline: float) -> Token:
        current = self._token
        if current is not None and current is not stale:
            return current
        if self._closed:
            raise _closed()
        token = self._log_in(stale, deadline)
        with self._lock:
            if not self._closed:
                self._token = token
                self.logins += 1
                if token.ttl > 0:
                    metrics.current().lease("token", token.ttl)
                return token
        self._give_up(token, deadline)
        raise _closed()

    def _log_in(self, stale: Token | None, deadline: float) -> Token:
        self._check_pause()
        try:
            token = self._ask(deadline)
            if any(each and each.value == token.value for each in (stale, self._dead)):
                self._dead = token if token.value is not None else None
                raise self._refused()
        except AuthenticationFailed as refusal:
            self._remember(refusal)
            raise
        self._refusals, self._refusal = 0, None
        return token

    @metrics.counted("login")
    def _ask(self, deadline: float) -> Token:
        # A client of its own: what a login leaves behind, such as a broken connection, is its own.
        with self._connect(deadline) as send:
            try:
                return self.auth_method.login(send)
            except AccessDenied:
                raise self._refused() from None
            except RequestRefused as refused:
                raise self._refused(f": {refused}") from refused

    def _refused(self, words: str = "") -> AuthenticationFailed:
        """With the server's own *words*, where it gives a reason: they repeat no credential."""
        what = f"login at {self._where} was refused{words}"
        return AuthenticationFailed(f"{what}; {self.auth_method.hint}")

    def _check_pause(self) -> None:
        """Refuse at once what was refused a moment ago: a server locks out who asks on and on."""
        wait = self._not_before - self._clock()
        if self._refusal is not None and wait > 0 and not self.auth_method.has_new_credential():
            raise type(self._refusal)(f"{self._refusal} (asked again in {wait:.0f} s at most)")

    def _remember(self, refusal: AuthenticationFailed) -> None:
        pause = min(self._limits.login_retry_base * 2**self._refusals, self._limits.login_retry_max)
        self._refusal, self._refusals = refusal, self._refusals + 1
        self._not_before = self._clock() + pause * (1 + self._jitter()) / 2
        with self._lock:
            self._token = None

    def _give_up(self, token: Token, deadline: float) -> None:
        """Revoke what came too late to be used."""
        if self.auth_method.owns_token:
            with self._connect(deadline) as send:
                send("POST", "auth/token/revoke-self", token=token)


def _closed() -> AuthenticationFailed:
    return AuthenticationFailed("this session was closed; open another")
