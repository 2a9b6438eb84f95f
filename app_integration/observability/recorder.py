"""Where figures go: the base that records nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial


class Recorder:
    """Record figures. Thread-safe; a call never raises and never waits.

    This base records nothing; a recorder overrides what it has a use for.
    """

    def access(self, name: str, outcome: str) -> None:
        """Record one access of the secret *name*, with the outcome that its access record has."""

    def counter(self, name: str, outcome: str) -> Callable[[], object]:
        """Return what does one :meth:`access` with these, for a pair that recurs."""
        return partial(self.access, name, outcome)

    def staleness(self, name: str, age: float) -> None:
        """Record that *name* is served *age* seconds after it was fetched; 0.0: it is fresh."""

    def record_operation(self, operation: str, outcome: str) -> None:
        """Record that one *operation* ended with ``ok`` or the error.

        Operations: ``request``, ``login``, ``renewal``, ``unwrapping``, ``orphan-lease``,
        ``data-key-check``.
        """

    def lease(self, holder: str, seconds: float) -> None:
        """Record that *holder* (``token``, or a database role) may live for *seconds* from now."""

    def rotation(self, kind: str, name: str) -> None:
        """Record that a newer *kind* (``secret``, ``database``, ``config``) replaced *name*."""

    def render(self) -> tuple[bytes, str] | None:
        """Return body and content type of a ``/metrics`` page; None if nothing is recorded."""
        return None


class NullRecorder(Recorder):
    """Record nothing."""
