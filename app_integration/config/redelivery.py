"""Schedule for a file that was rendered and not delivered yet. It delivers nothing."""

from __future__ import annotations

from dataclasses import dataclass

from app_integration._internal.backoff import BACKOFF_MIN, backoff
from app_integration._internal.private_file import Stamp
from app_integration.config.delivery_status import Status


@dataclass(slots=True)
class Redelivery:
    """Schedule of one file.

    With *is_checked_first*, the first file is delivered even if its status says that it is live,
    because the live file may have been changed or lost since.
    """

    is_checked_first: bool = False
    _staged: Stamp | None = None
    _attempts: int = 0
    _retry_at: float = 0.0

    def is_due(self, staged: Stamp | None, status: Status | None, now: float) -> bool:
        """Return whether to deliver now."""
        if staged is None or self._is_settled(staged, status):
            self._staged, self._attempts = None, 0
            return False
        if staged != self._staged:
            self._staged, self._attempts = staged, 0
            was_attempted = status is not None and status.staged == staged
            is_later = was_attempted and not self.is_checked_first
            self._retry_at = now + (BACKOFF_MIN if is_later else 0.0)
        return now >= self._retry_at

    def record_attempt(self, now: float, jitter: float) -> None:
        """Schedule the next attempt after one that finished at *now*, whatever its result."""
        self.is_checked_first = False
        self._attempts += 1
        self._retry_at = now + backoff(self._attempts, jitter)

    def _is_settled(self, staged: Stamp, status: Status | None) -> bool:
        """Return whether *staged* is live, or was rejected for good."""
        if status is None or status.staged != staged:
            return False
        return status.state.is_final and not (self.is_checked_first and status.state.is_live)
