"""Events of a supervisor or a delivery: one line of JSON each on standard error.

They stand beside the logs of the agents or the application. No line contains a secret.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class EventLog:
    """Log of a process or of one of its units."""

    unit: str | None = None

    def write(self, event: str, **fields: object) -> None:
        """Write one event. It is lost if standard error takes nothing, as on a full disk."""
        when = datetime.now(tz=UTC).isoformat(timespec="milliseconds")
        unit = {} if self.unit is None else {"unit": self.unit}
        line = json.dumps({"time": when, "event": event, **unit, **fields}, default=str)
        with suppress(OSError):  # because a full log must not stop what the process runs
            # In one call, because threads write at the same time.
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
