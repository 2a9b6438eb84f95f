"""The promotion of a new version of a secret, and the times that follow from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from app_integration.settings import Limits
from vault.declare import durations

_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Promotion:
    """The promotion of a new version of a secret, and of those that are derived from it.

    *time* is by the server's clock, and *local_time* by that of the operator's machine; intervals
    are in seconds. A log from before *created* has all reads. With *is_rendered*, an agent may have
    written the value to a file, which outlives its token. A path that *kept* lacks has all its
    versions.
    """

    time: datetime
    versions: Mapping[str, int]
    created: datetime
    render_interval: int
    retire_after: int
    is_rendered: bool = False
    local_time: datetime | None = None
    kept: Mapping[str, Collection[int]] = field(default_factory=dict)

    @property
    def lead(self) -> timedelta:
        """Return by how much the clock of the operator's machine is ahead, 0 if it is behind."""
        return max((self.local_time or self.time) - self.time, timedelta())

    @property
    def window(self) -> timedelta:
        """Return the longest time for which a consumer may use a value after it read it.

        A consumer with other limits than the defaults is one of those that this cannot prove.
        """
        return longest_use(self.render_interval)

    @property
    def grace(self) -> timedelta:
        """Return the declared grace period."""
        return timedelta(seconds=self.retire_after)

    @property
    def time_bound(self) -> datetime:
        """Return when the old value may be retired if not all of its consumers are known.

        Until the end of the window one of them may sign with it, and the grace period follows.
        """
        return self.end_of_grace(self.time + self.window)

    def end_of_grace(self, last_use: datetime) -> datetime:
        """Return when the old value may be retired if it was last used at *last_use*."""
        return last_use + self.lead + self.grace

    def is_old(self, path: str, version: int) -> bool:
        """Return whether *version* of *path* is one that the rotation retires."""
        return version < self.versions[path] and version in self.kept.get(path, {version})

    @property
    def window_text(self) -> str:
        """Return the window as a duration, for people."""
        return durations.render(int(self.window.total_seconds()))


def longest_use(render_interval: int) -> timedelta:
    """Return the longest time for which a consumer may use a value after it read it."""
    return timedelta(seconds=_LIMITS.cache_ttl + _LIMITS.stale_limit + render_interval)
