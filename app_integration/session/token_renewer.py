"""Background renewal of a session's Vault token."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from app_integration._internal.background_worker import BackgroundWorker
from app_integration.auth.methods import Token
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    RequestRefused,
    ServerFault,
    StrongroomError,
)
from app_integration.observability import metrics
from app_integration.session.connection import Connection
from app_integration.session.token_manager import TokenManager
from app_integration.settings import Limits
from app_integration.transport import payloads

log = logging.getLogger(__name__)
_RENEW_PATH: Final = "auth/token/renew-self"
_RETRY_INTERVAL: Final = 5.0  # seconds between attempts while the server is unavailable


class TokenRenewer:
    """A background thread that renews the token, and logs in when a renewal is no longer possible.

    The leases of a token are revoked when it expires. That is why it is renewed continually while
    the session is in use, and not only on demand.
    """

    def __init__(
        self,
        tokens: TokenManager,
        connection: Connection,
        deadline: Callable[[], float],
        limits: Limits,
    ) -> None:
        """Start no thread yet. *deadline* returns that of a request which starts now."""
        self._tokens = tokens
        self._connection = connection
        self._deadline = deadline
        self._limits = limits
        self.worker = BackgroundWorker(
            self._run,
            "vault-renewal",
            max_interval=threading.TIMEOUT_MAX,
            retry_interval=_RETRY_INTERVAL,
        )

    def start(self, token: Token) -> None:
        """Start renewing *token* and its successors, if this process owns it and it expires."""
        if self.worker.is_running or token.ttl <= 0 or not self._tokens.auth_method.owns_token:
            return
        self.worker.start(self._next_interval())

    def stop(self) -> None:
        """Start no further renewal."""
        self.worker.close()

    def _run(self) -> float:
        try:
            self.renew_once()
        except OUTAGE as error:
            log.warning("could not renew the Vault token, will retry: %s", error)
        except StrongroomError as error:
            if not self.worker.is_closed:
                log.error("could not renew the Vault token, and the login failed: %s", error)  # noqa: TRY400 (no traceback: the message says enough)
        else:
            return self._next_interval()
        return _RETRY_INTERVAL

    def _next_interval(self) -> float:
        token = self._tokens.cached_token
        return token.ttl * self._limits.renew_at if token else _RETRY_INTERVAL

    @metrics.count_outcomes("renewal")
    def renew_once(self) -> None:
        """Renew the token once; log in instead if it cannot be renewed."""
        deadline = self._deadline()
        # An application that sends no request uses a new credential now.
        token = self._tokens.get_token(deadline) if self._tokens.cached_token else None
        renewed = self._renew(token, deadline) if token and token.renewable else None
        # A shorter TTL means that the token nears its maximum TTL, which no renewal extends.
        if token and renewed and renewed.ttl >= token.ttl * self._limits.renew_at:
            self._tokens.replace_renewed(token, renewed)
        else:
            self._tokens.reauthenticate(token, deadline)

    def _renew(self, token: Token, deadline: float) -> Token | None:
        """Return *token* after its renewal; None if it has expired."""
        try:
            response = self._connection.send(deadline, "POST", _RENEW_PATH, {}, token=token)
        except (AccessDenied, RequestRefused):
            return None
        except ServerFault:
            # The server returns this for an expired token too, for a moment after its expiry.
            if self.is_valid(token, deadline):
                raise
            return None
        return token.with_renewal(payloads.parse_auth(response, _RENEW_PATH))

    def is_valid(self, token: Token, deadline: float) -> bool:
        """Return whether the server knows *token*; sends one request."""
        try:
            self._connection.send(deadline, "GET", "auth/token/lookup-self", token=token)
        except AccessDenied:
            return False
        return True
