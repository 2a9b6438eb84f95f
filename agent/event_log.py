"""Events of the supervisor: one line of JSON each on standard error, beside the agents' own logs.

No line contains a secret.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class EventLog:
    """Log of the supervisor or of one of its units.

    Attributes:
        unit: Name of the unit, written with each event; None for the supervisor itself.

    """

    unit: str | None = None

    def write(self, event: str, **fields: object) -> None:
        """Write one event."""
        when = datetime.now(tz=UTC).isoformat(timespec="milliseconds")
        unit = {} if self.unit is None else {"unit": self.unit}
        line = json.dumps({"time": when, "event": event, **unit, **fields}, default=str)
        print(line, file=sys.stderr, flush=True)  # noqa: T201 (the supervisor's log)
