"""When what an agent rendered and nobody delivered is tried again. Nothing is done here.

The agent runs its command once for each rendering: if that is killed, or waits for what may pass,
the agent doesn't try again.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.backoff import FIRST_PAUSE, backoff
from app_integration._internal.private_file import Stamp
from app_integration.config.deliver import State, Status


@dataclass(slots=True)
class Redelivery:
    """One file on its way to an application, as the supervisor follows it.

    Attributes:
        patience: seconds that the agent's own command may take; none is started beside it.

    """

    patience: float
    _staged: Stamp | None = None
    _tries: int = 0
    _next: float = 0.0

    def due(self, staged: Stamp | None, status: Status | None, now: float) -> bool:
        """Whether to deliver now.

        Args:
            staged: the present state of the staging file; None when there is none.
            status: of the last delivery; None when there was none.
            now: seconds, monotonic.

        """
        if staged is None or _settled(staged, status):
            self._staged, self._tries = None, 0
            return False
        if staged != self._staged:
            self._staged, self._tries = staged, 0
            told = status is not None and status.staged == staged
            self._next = now + (FIRST_PAUSE if told else self.patience)
        return now >= self._next

    def tried(self, now: float, chance: float) -> None:
        """Note that it was just delivered, or wasn't; *chance* in [0, 1) spreads the next try."""
        self._tries += 1
        self._next = now + backoff(self._tries, chance)


def _settled(staged: Stamp, status: Status | None) -> bool:
    """Whether there is nothing more to do for *staged*: it is live, or refused for good."""
    if status is None or status.staged != staged:
        return False
    return status.state.live or status.state is State.REFUSED
