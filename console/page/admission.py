"""Admission to the page: a token that opens it once, and the session that it opens."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: Seconds within which the one-time URL must be opened.
OPEN_SECONDS: Final = 300.0


@dataclass(slots=True)
class _Session:
    id: str
    begun: float
    used: float


class Access:
    """Access of one visitor, in memory: it ends with the process. *token* opens the page once."""

    def __init__(
        self,
        *,
        idle: float,
        lifetime: float,
        clock: Callable[[], float],
        generate: Callable[[], str],
    ) -> None:
        """Generate the token.

        A session ends after *idle* seconds without a request, and after *lifetime* seconds in any
        case.
        """
        self.token = generate()
        self._idle = idle
        self._lifetime = lifetime
        self._clock = clock
        self._generate = generate
        self._printed = clock()
        self._is_used = False
        self._session: _Session | None = None

    def open(self, token: str) -> str | None:
        """Return the id of the session that *token* opens, None if it does not open one."""
        is_late = self._clock() - self._printed > OPEN_SECONDS
        if self._is_used or is_late or not _equal(token, self.token):
            return None
        self._is_used = True
        now = self._clock()
        self._session = _Session(self._generate(), now, now)
        return self._session.id

    def admit(self, session_id: str) -> bool:
        """Return whether *session_id* is that of the session, which is in use from now on."""
        session, now = self._session, self._clock()
        if session is None or not _equal(session_id, session.id):
            return False
        if now - session.used > self._idle or now - session.begun > self._lifetime:
            self._session = None
            return False
        session.used = now
        return True


def _equal(one: str, other: str) -> bool:
    """Compare in a time that does not tell where they differ. A URL may have any characters."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
