"""Metrics of the deliveries of a config, as the application that reads it sees them."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from app_integration._internal.private_file import Stamp, stamp
from app_integration.config.delivery_status import read_status, status_file
from app_integration.observability import metrics
from app_integration.observability.recorder import Recorder


class DeliveryMetrics:
    """Recorder of the last delivery to one live file. Not thread-safe."""

    def __init__(self, live: Path) -> None:
        """Record nothing yet."""
        self._live = live
        self._seen: tuple[Stamp | None, Recorder] | None = None

    def record(self) -> None:
        """Record the status of the last delivery, if it or the recorder has changed.

        A status that this process may not read, or that is invalid, records nothing.
        """
        seen = stamp(status_file(self._live)), metrics.get_recorder()
        if seen == self._seen:
            return
        self._seen = seen
        status = read_status(self._live)
        if status is None:
            return
        with suppress(ValueError, TypeError):  # of a time that no delivery has written
            delivered = datetime.fromisoformat(status.when).timestamp()
            seen[1].record_delivery(self._live.name, delivered, is_live=status.state.is_live)
