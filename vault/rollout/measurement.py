"""What Prometheus knows of one colour in one look."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """Figures of one colour, over a window that ends now.

    Attributes:
        targets: Number of targets that Prometheus has now.
        crashed: Targets that restarted in the window, or did not respond to a scrape.
        accesses: Accesses to secrets.
        failed_accesses: Those of them that failed.
        database_failures: Failed connections to the database, or None without such a counter.
        requests: Requests whose duration is known.
        latency: Their duration in seconds, or None without any.

    """

    targets: int = 0
    crashed: tuple[str, ...] = ()
    accesses: float = 0.0
    failed_accesses: float = 0.0
    database_failures: float | None = None
    requests: float = 0.0
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Both colours at one time.

    Attributes:
        window: Seconds of the figures. Those of the old colour's latency are of the baseline.

    """

    new: Measurement
    old: Measurement
    window: float
