"""Keeps a session's token alive, from a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

from app_integration.auth.methods import Token
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

log = logging.getLogger(__name__)
_RETRY: Final = 5.0  # seconds between attempts while the server is away


class Ask(Protocol):
    """One request with a token, within a deadline."""

    def __call__(self, method: str, path: str, token: Token, deadline: float) -> dict[str, Any]:
        """The decoded answer."""
        ...


class TokenRenewer:
    """Renews the token at a share of its life; what can't be renewed is replaced by a login.

    A token's leases die with it, so it is kept alive while it is used, and not only on demand.
    """

    def __init__(
        self, tokens: TokenManager, ask: Ask, deadline: Callable[[], float], limits: Limits
    ) -> None:
        """Args: *deadline* gives that of a call which begins now."""
        self._tokens = tokens
        self._ask = ask
        self._deadline = deadline
        self._limits = limits
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def begin(self, token: Token) -> None:
        """Look after *token* and its successors, if it is ours and ends."""
        if self.thread is not None or token.ttl <= 0 or not self._tokens.auth_method.owns_token:
            return
        with self._lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self._run, name="vault-renewal", daemon=True)
                self.thread.start()

    def stop(self) -> None:
        """No renewal begins from now on."""
        self._stopped.set()

    def _run(self) -> None:
        pause = self._pause()
        while not self._stopped.wait(pause):
            try:
                self.once()
                pause = self._pause()
            except OUTAGE as error:
                log.warning("the token wasn't renewed: %s", error)
                pause = _RETRY
            except StrongroomError as error:
                if not self._stopped.is_set():
                    log.error("the token can't be renewed, and login failed: %s", error)  # noqa: TRY400 (no traceback: it says it all)
                pause = _RETRY
            except Exception as error:  # noqa: BLE001 (leases die with a token that nobody renews)
                # Without its text: an exception of a library may hold a secret.
                log.error("the token wasn't renewed: %s", type(error).__name__)  # noqa: TRY400 (as said)
                pause = _RETRY

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
            answer = self._ask("POST", "auth/token/renew-self", token, deadline)
        except (AccessDenied, RequestRefused):
            return None
        except ServerFault:
            # A token past its end is answered so too, for a moment.
            if self.is_valid(token, deadline):
                raise
            return None
        return token.renewed(answer["auth"])

    def is_valid(self, token: Token, deadline: float) -> bool:
        """What the server thinks of *token*, asked once."""
        try:
            self._ask("GET", "auth/token/lookup-self", token, deadline)
        except AccessDenied:
            return False
        return True
