"""hvac's client and adapter on a session."""

from __future__ import annotations

from typing import Any

import hvac
from hvac.adapters import JSONAdapter

from app_integration.errors import ConfigurationError
from app_integration.hvac_adapter.sender import SessionSender
from app_integration.session.session import Session
from app_integration.transport.request import HiddenBody


class SessionAdapter(JSONAdapter):  # type: ignore[misc] # hvac has no types
    """hvac's adapter for JSON, whose requests go through a :class:`.SessionSender`.

    Without a token of its own, requests have the session's, which no call replaces or revokes.
    """

    _own_token: str | None = None
    _sender: SessionSender

    @property
    def token(self) -> str | None:
        """Return the token of its own if one was set, else the session's, after a login."""
        return self._own_token or self._sender.token()

    @token.setter
    def token(self, token: str | None) -> None:
        self._own_token = token or None

    @property
    def session(self) -> SessionSender:
        """Return what sends the requests."""
        return self._sender

    @session.setter
    def session(self, session: object) -> None:
        if not isinstance(session, SessionSender):
            raise ConfigurationError(
                "the session of this client cannot be replaced; create a plain hvac.Client"
            )
        self._sender = session

    def login(self, url: str, use_token: bool = True, **kwargs: Any) -> Any:
        """Send a login and return its response, whose token is not used for later requests.

        With *use_token*, drop the client's own token, so that the session's is used.
        """
        _hide_body(kwargs)
        response = self.post(url, **kwargs)
        if use_token:
            self.token = None
        return response

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send one request as hvac's adapter does, with the token of its own or none.

        The session adds its token, because it may have to log in, or to log in again.
        """
        _hide_body(kwargs)
        plain = JSONAdapter(
            base_uri=self.base_uri,
            token=self._own_token,
            timeout=self._kwargs["timeout"],
            allow_redirects=self.allow_redirects,
            session=self._sender,
            namespace=self.namespace,
            ignore_exceptions=self.ignore_exceptions,
            strict_http=self.strict_http,
            request_header=self.request_header,
        )
        return plain.request(*args, **kwargs)


def _hide_body(kwargs: dict[str, Any]) -> None:
    """Hide the body among *kwargs*, because a traceback may show local variables."""
    if isinstance(kwargs.get("json"), dict):
        kwargs["json"] = HiddenBody(kwargs["json"])


def build_hvac_client(session: Session, timeout: float | None = None) -> hvac.Client:
    """Return a new client whose calls go through *session*. Nothing is sent.

    *timeout* is the seconds of each call with its retries; None for the session's deadline.
    """
    sender = SessionSender(session)
    # An empty token, because hvac reads VAULT_TOKEN and ~/.vault-token for None.
    return hvac.Client(
        url=sender.base_url, token="", session=sender, adapter=SessionAdapter, timeout=timeout
    )
