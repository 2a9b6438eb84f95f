"""Requests of a session: its login, retries and one deadline for each call."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final

from app_integration import permissions
from app_integration.auth.methods import Token
from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    RateLimited,
    RequestRefused,
    ServerError,
    ServerFault,
    StrongroomError,
)
from app_integration.mounts import Mounts
from app_integration.names import Scope
from app_integration.observability import metrics
from app_integration.secret import Secret
from app_integration.session.connection import Connection
from app_integration.session.foreign_login import describe_foreign_login
from app_integration.session.retry import Retry, is_repeatable
from app_integration.session.token_manager import TokenManager
from app_integration.session.token_renewer import TokenRenewer
from app_integration.settings import Limits
from app_integration.transport.request import Request, Response

log = logging.getLogger(__name__)

#: Paths that need no token, and must work while no login is possible.
_WITHOUT_TOKEN: Final = re.compile(
    r"sys/(health|init|leader|seal-status|unseal)"
    r"|auth/(?!.*/(role|roles|users|groups|certs|map)/).+/login(/.+)?"
)


class Requests:
    """Sender of :class:`.Request` with the login and deadline of a session. Thread-safe."""

    def __init__(
        self,
        connection: Connection,
        tokens: TokenManager,
        renewer: TokenRenewer,
        retry: Retry,
        *,
        clock: Callable[[], float],
        limits: Limits,
        mounts: Mounts,
        scope: Scope | None,
    ) -> None:
        """Send nothing yet. *scope* is the service whose login it is, if it is that of one."""
        self._connection = connection
        self._tokens = tokens
        self._renewer = renewer
        self._retry = retry
        self._clock = clock
        self._limits = limits
        self._mounts = mounts
        self._scope = scope

    def exchange(self, request: Request, timeout: float | None = None) -> Response:
        """Send *request* and return its response.

        A token of *request* replaces that of the session. *timeout* is in seconds, for the whole
        call; None for the limit ``deadline``.
        """
        started = self._clock()
        deadline = started + (self._limits.deadline if timeout is None else timeout)
        attempt = partial(self._attempt, request, deadline)
        try:
            response = self._retry(attempt, deadline, partial(is_repeatable, request))
        except StrongroomError as error:
            metrics.get_recorder().record_operation("request", type(error).__name__)
            raise
        recorder = metrics.get_recorder()
        recorder.record_operation("request", metrics.OK)
        recorder.record_duration(self._clock() - started)
        return response

    def answer(self, request: Request, timeout: float | None = None) -> Response:
        """Send *request* as :meth:`exchange` does, and return its response, whatever its status."""
        try:
            return self.exchange(request, timeout)
        except AuthenticationFailed:
            raise
        except StrongroomError as error:
            # An outage during another login follows a 403, which is not the reason then.
            response, is_denied = request.response, isinstance(error, AccessDenied)
            if response is None or is_denied != (response.status == HTTPStatus.FORBIDDEN):
                raise
        return response

    def token(self) -> Secret | None:
        """Return the session's token, after a login if there is none; None for an agent's proxy."""
        return self._tokens.get_token(self._clock() + self._limits.deadline).value

    def is_session_token(self, token: str) -> bool:
        """Return whether *token* is the session's; sends nothing."""
        cached = self._tokens.cached_token
        return cached is not None and cached.value == token

    def _attempt(self, request: Request, deadline: float) -> Response:
        """Send *request*; if the token has expired, log in and send it once more."""
        request.response = None
        is_login = request.retry is None and _WITHOUT_TOKEN.fullmatch(request.path) is not None
        if request.token is not None or is_login:
            self._tokens.check_open()
            return self._send(request, deadline, request.token)
        token = self._tokens.get_token(deadline)
        try:
            return self._send(request, deadline, token.value)
        except AccessDenied as denied:
            fresh = self._replace(token, deadline)
            if fresh is None:
                self._add_hint(denied)
                raise
        try:
            return self._send(request, deadline, fresh.value)
        except AccessDenied as denied:
            self._tokens.note_denial()
            self._add_hint(denied)
            raise

    def _replace(self, token: Token, deadline: float) -> Token | None:
        """Return the token to send after a 403 for *token*; None if the 403 is about the path."""
        if not self._tokens.may_have_expired(token):
            return None
        # One that was replaced counts as invalid without a request.
        is_current = token is self._tokens.cached_token
        if not (is_current and self._renewer.is_valid(token, deadline)):
            return self._tokens.reauthenticate(token, deadline)
        # A proxy may have got the token that it adds only now.
        return token if token.value is None else None

    def _add_hint(self, denied: AccessDenied) -> None:
        """Add to the error that the login is that of another environment, if it is."""
        token = self._tokens.cached_token
        if token is not None and self._scope is not None:
            denied.hint = describe_foreign_login(self._scope, token.policies)
        if denied.hint:
            denied.args = (f"{denied}; {denied.hint}",)

    def _send(self, request: Request, deadline: float, token: Secret | None) -> Response:
        request.sent = True
        try:
            sender = self._connection.sender or self._connection.open()
            timeout = max(deadline - self._clock(), 0.001)
            return sender.exchange(request, timeout=timeout, token=token)
        except AccessDenied:
            request.sent = False  # because the server did not carry it out
            raise
        except ServerError as error:
            request.sent = not error.not_sent
            _record_orphan_lease(request.path, error, self._mounts)
            raise


def _record_orphan_lease(path: str, error: ServerError, mounts: Mounts) -> None:
    """Count a lease that the server may have issued although its response was lost.

    The id of such a lease is lost, so it cannot be revoked and stays valid until it expires.
    """
    if error.not_sent or isinstance(error, RateLimited | RequestRefused):
        return
    if path.startswith(permissions.lease_prefix(mounts)):
        # The error of a server that failed is raised, and an attempt may be repeated often.
        has_failed = isinstance(error, ServerFault)
        log.log(
            logging.INFO if has_failed else logging.WARNING,
            "%s: the %s; a lease may have been issued that stays valid until it expires",
            path,
            "server has failed" if has_failed else "response was lost",
        )
        metrics.get_recorder().record_operation("orphan-lease", type(error).__name__)
