"""Requests of a session whose responses are returned as they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final

from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    ServerError,
    StrongroomError,
)
from app_integration.mounts import Mounts
from app_integration.observability import metrics
from app_integration.secret import Secret
from app_integration.session.authorization import Authorization
from app_integration.session.call import record_orphan_lease
from app_integration.session.connection import Connection
from app_integration.session.retry import Retry
from app_integration.session.token_manager import TokenManager
from app_integration.settings import Limits
from app_integration.transport.raw_call import RawCall
from app_integration.transport.responses import Response

#: Paths that need no token, and must work while no login is possible.
_WITHOUT_TOKEN: Final = re.compile(
    r"sys/(health|init|leader|seal-status|unseal)"
    r"|auth/(?!.*/(role|roles|users|groups|certs|map)/).+/login(/.+)?"
)


class RawRequests:
    """Sender of :class:`.RawCall` with the login and deadline of a session. Thread-safe."""

    def __init__(
        self,
        connection: Connection,
        tokens: TokenManager,
        authorization: Authorization,
        retry: Retry,
        *,
        clock: Callable[[], float],
        limits: Limits,
        mounts: Mounts,
    ) -> None:
        """Send nothing yet.

        Args:
            connection: Sends the requests.
            tokens: Manages the session's token.
            authorization: Adds that token.
            retry: Repeats reads, and writes that were not sent.
            clock: Monotonic, in seconds.
            limits: ``deadline`` is used.
            mounts: Mounts of the deployment.

        """
        self._connection = connection
        self._tokens = tokens
        self._authorization = authorization
        self._retry = retry
        self._clock = clock
        self._limits = limits
        self._mounts = mounts

    def send(self, call: RawCall, timeout: float | None = None) -> Response:
        """Send *call* and return its response, whatever its status.

        Args:
            call: The request. Its own token, if it has one, replaces that of the session.
            timeout: Seconds for the whole call; None for the limit ``deadline``.

        Raises:
            ServerError: If the last attempt got no complete response.
            AuthenticationFailed: If the login is rejected, or the session is closed.

        """
        self._tokens.check_open()
        deadline = self._deadline(timeout)
        try:
            return self._send(call, deadline)
        except AuthenticationFailed:
            raise
        except StrongroomError as error:
            # An outage during another login follows a 403, which is not the reason then.
            response, is_denied = call.response, isinstance(error, AccessDenied)
            if response is None or is_denied != (response.status == HTTPStatus.FORBIDDEN):
                raise
        return response

    def token(self) -> Secret | None:
        """Return the session's token, after a login if there is none; None for an agent's proxy.

        Raises:
            ServerError: If the server is unavailable.
            AuthenticationFailed: If the login is rejected, or the session is closed.

        """
        return self._authorization.get_token(self._deadline(None)).value

    def is_session_token(self, token: str) -> bool:
        """Return whether *token* is the session's; sends nothing."""
        cached = self._tokens.cached_token
        return cached is not None and cached.value == token

    def _deadline(self, timeout: float | None) -> float:
        return self._clock() + (self._limits.deadline if timeout is None else timeout)

    @metrics.count_outcomes("request")
    def _send(self, call: RawCall, deadline: float) -> Response:
        started = self._clock()
        response = self._retry(
            partial(self._attempt, call, deadline),
            deadline,
            may_repeat=lambda _error: call.is_repeatable or not call.sent,
        )
        metrics.get_recorder().record_duration(self._clock() - started)
        return response

    def _attempt(self, call: RawCall, deadline: float) -> Response:
        call.response = None
        if call.token is not None:
            return self._exchange(call, deadline, call.token)
        if _WITHOUT_TOKEN.fullmatch(call.path):
            return self._exchange(call, deadline, None)
        return self._authorization.attempt(
            lambda token: self._exchange(call, deadline, token.value), deadline
        )

    def _exchange(self, call: RawCall, deadline: float, token: Secret | None) -> Response:
        call.sent = True
        try:
            return self._connection.exchange(deadline, call, token)
        except AccessDenied:
            call.sent = False  # because the server did not carry it out
            raise
        except ServerError as error:
            call.sent = not error.not_sent
            record_orphan_lease(call.path, error, self._mounts)
            raise
