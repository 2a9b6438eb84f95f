"""Confirmation that an application runs well on a new file: healthy for a while, and soon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app_integration.config import application_page

WITHIN: Final = 30.0  # seconds for the application to be healthy on a new file
SETTLE: Final = 3.0  # seconds without an unhealthy answer
_REQUEST_SECONDS: Final = 2.0  # for one request of the application's health


@dataclass(frozen=True, slots=True)
class Health:
    """Health that an application must show on a new file.

    At the latest *within* seconds after the reload, it must have been healthy for *settle* seconds,
    because it may answer from the file before until it has reloaded. Without a *url*, it is healthy
    as long as its process runs.
    """

    url: str | None
    within: float
    settle: float
    is_needed_before: bool = False
    #: Why there is no *url*.
    reason: str = "there is no health page"

    def find_obstacle(self) -> str | None:
        """Return why the application cannot be judged on a file that is about to be replaced."""
        if not self.is_needed_before:
            return None
        return self.reason if self.url is None else self.find_problem()

    def find_problem(self) -> str | None:
        """Request the page; return the problem, or None."""
        if self.url is None:
            return None
        return application_page.find_problem("GET", self.url, _REQUEST_SECONDS)


@dataclass(slots=True)
class Confirmation:
    """Decision whether an application runs well, from its health at several times."""

    health: Health
    began: float
    _healthy_since: float | None = None

    def observe(self, problem: str | None, now: float) -> bool | None:
        """Return whether the application runs well; None if that is not decided yet."""
        if problem is not None:
            self._healthy_since = None
        elif self._healthy_since is None:
            self._healthy_since = now
        if self._healthy_since is not None and now - self._healthy_since >= self.health.settle:
            return True
        return False if now - self.began >= self.health.within else None
