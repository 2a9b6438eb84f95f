"""Keeps a session's token alive, from a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from app_integration._internal.background_worker import BackgroundWorker
from app_integration.auth.methods import Send, Token
from app_integration.errors import (
    OUTAGE,
    AccessDenied,
    RequestRefused,
    ServerFault,
    StrongroomError,
)
from app_integration.observability import metrics
from app_integration.session.token_manager import TokenManager
from app_integration.settings import Limits
from app_integration.transport import answers

log = logging.getLogger(__name__)
_RENEWAL: Final = "auth/token/renew-self"
_RETRY: Final = 5.0  # seconds between attempts while the server is away


class TokenRenewer:
    """Renews the token at a share of its life; what can't be renewed is replaced by a login.

    A token's leases die with it, so it is kept alive while it is used, and not only on demand.
    """

    def __init__(
        self,
        tokens: TokenManager,
        within: Callable[[float], Send],
        deadline: Callable[[], float],
        limits: Limits,
    ) -> None:
        """Args: *within* sends until a deadline; *deadline* gives that of a call made now."""
        self._tokens = tokens
        self._within = within
        self._deadline = deadline
        self._limits = limits
        self.worker = BackgroundWorker(
            self._work, "vault-renewal", longest=threading.TIMEOUT_MAX, retry=_RETRY
        )

    def begin(self, token: Token) -> None:
        """Look after *token* and its successors, if it is ours and ends."""
        if self.worker.running or token.ttl <= 0 or not self._tokens.auth_method.owns_token:
            return
        self.worker.start(self._pause())

    def stop(self) -> None:
        """No renewal begins from now on."""
        self.worker.close()

    def _work(self) -> float:
        try:
            self.once()
        except OUTAGE as error:
            log.warning("the token wasn't renewed: %s", error)
        except StrongroomError as error:
            if not self.worker.closed:
                log.error("the token can't be renewed, and login failed: %s", error)  # noqa: TRY400 (no traceback: it says it all)
        else:
            return self._pause()
        return _RETRY

    def _pause(self) -> float:
        token = self._tokens.held
        return token.ttl * self._limits.renew_at if token else _RETRY

    @metrics.counted("renewal")
    def once(self) -> None:
        """One renewal, or the login that takes its place."""
        token, deadline = self._tokens.held, self._deadline()
        renewed = self._renewed(token, deadline) if token and token.renewable else None
        # Cut short: the token nears the end that no renewal moves.
        if token and renewed and renewed.ttl >= token.ttl * self._limits.renew_at:
            self._tokens.renewed(token, renewed)
        else:
            self._tokens.reauthenticate(token, deadline)

    def _renewed(self, token: Token, deadline: float) -> Token | None:
        """What the server says of *token* now; None when it is dead.

        Raises:
            ServerError: the server is away or failing, which says nothing about the token.

        """
        try:
            answer = self._within(deadline)("POST", _RENEWAL, {}, token=token)
        except (AccessDenied, RequestRefused):
            return None
        except ServerFault:
            # A token past its end is answered so too, for a moment.
            if self.is_valid(token, deadline):
                raise
            return None
        return token.renewed(answers.auth(answer, _RENEWAL))

    def is_valid(self, token: Token, deadline: float) -> bool:
        """What the server thinks of *token*, asked once."""
        try:
            self._within(deadline)("GET", "auth/token/lookup-self", token=token)
        except AccessDenied:
            return False
        return True
