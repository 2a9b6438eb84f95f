"""Requests with the session's Vault token, repeated once with another if that has expired."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app_integration.auth.methods import Token
from app_integration.errors import AccessDenied
from app_integration.names import Scope
from app_integration.session.foreign_login import describe_foreign_login
from app_integration.session.token_manager import TokenManager
from app_integration.session.token_renewer import TokenRenewer

_T = TypeVar("_T")


class Authorization:
    """The Vault token of a session as its requests use it. Thread-safe."""

    def __init__(self, tokens: TokenManager, renewer: TokenRenewer, scope: Scope | None) -> None:
        """Send nothing yet.

        Args:
            tokens: Manages the token.
            renewer: Renews it from its first use on.
            scope: The service whose token it is, or None for that of no service.

        """
        self._tokens = tokens
        self._renewer = renewer
        self._scope = scope

    def get_token(self, deadline: float) -> Token:
        """Return the token to send; log in if there is none.

        Raises:
            AuthenticationFailed: If the login is refused, or the session is closed.
            ServerError: If the server is unavailable.

        """
        token = self._tokens.get_token(deadline)
        self._renewer.start(token)
        return token

    def attempt(self, send: Callable[[Token], _T], deadline: float) -> _T:
        """Return the result of *send*; if the token has expired, log in and send once more.

        Args:
            send: Sends the request with a token. After a 403 the server did not carry it out.
            deadline: Deadline on the clock.

        Raises:
            AccessDenied: If the request is denied. The message says so if the login is that of
                another environment.

        """
        try:
            return self._attempt(send, deadline)
        except AccessDenied as error:
            token = self._tokens.cached_token
            if token is not None and self._scope is not None:
                error.hint = describe_foreign_login(self._scope, token.policies)
            if error.hint:
                error.args = (f"{error}; {error.hint}",)
            raise

    def _attempt(self, send: Callable[[Token], _T], deadline: float) -> _T:
        token = self.get_token(deadline)
        try:
            return send(token)
        except AccessDenied:
            if not self._tokens.may_have_expired(token):
                raise
            if not self._is_valid(token, deadline):
                fresh = self._tokens.reauthenticate(token, deadline)
            elif token.value is None:
                fresh = token  # because a proxy may have got the token that it adds only now
            else:
                raise
        try:
            return send(fresh)
        except AccessDenied:
            self._tokens.note_denial()
            raise

    def _is_valid(self, token: Token, deadline: float) -> bool:
        """Return whether *token* is valid, so that a 403 was about the path.

        A token that has already been replaced counts as invalid without a request.
        """
        return token is self._tokens.cached_token and self._renewer.is_valid(token, deadline)
