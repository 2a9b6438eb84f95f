"""Schedule for files that the agent rendered and that were not delivered yet. It delivers nothing.

The agent runs its command once for each rendering. If the command is killed, or fails for a reason
that may pass, the agent does not try again.
"""

from __future__ import annotations

from dataclasses import dataclass

from app_integration._internal.backoff import BACKOFF_MIN, backoff
from app_integration._internal.private_file import Stamp
from app_integration.config.delivery_status import Status


@dataclass(slots=True)
class Redelivery:
    """Retry schedule of one file.

    Attributes:
        command_timeout: Seconds that the agent's own command may take. No other delivery starts in
            that time.

    """

    command_timeout: float
    _staged: Stamp | None = None
    _attempts: int = 0
    _retry_at: float = 0.0

    def is_due(self, staged: Stamp | None, status: Status | None, now: float) -> bool:
        """Return whether to deliver now.

        Args:
            staged: The current state of the staging file; None if there is none.
            status: The status of the last delivery; None if there was none.
            now: Monotonic seconds.

        """
        if staged is None or _is_settled(staged, status):
            self._staged, self._attempts = None, 0
            return False
        if staged != self._staged:
            self._staged, self._attempts = staged, 0
            was_attempted = status is not None and status.staged == staged
            self._retry_at = now + (BACKOFF_MIN if was_attempted else self.command_timeout)
        return now >= self._retry_at

    def record_attempt(self, now: float, jitter: float) -> None:
        """Schedule the next attempt after one that ended at *now*, whatever its result.

        Args:
            now: Monotonic seconds.
            jitter: See :func:`~app_integration._internal.backoff.backoff`.

        """
        self._attempts += 1
        self._retry_at = now + backoff(self._attempts, jitter)


def _is_settled(staged: Stamp, status: Status | None) -> bool:
    """Return whether *staged* needs no further attempt: it is live, or was rejected for good."""
    if status is None or status.staged != staged:
        return False
    return status.state.is_final
