"""Access records: the client's part of the audit trail, as JSON lines.

A record is written before the secret is released. The server's audit device is the evidence; these
records add the process that requested the secret, and the server's ``request_id`` to join both.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, Final

from app_integration._internal import fork_safety
from app_integration.errors import AuditFailed, StrongroomError
from app_integration.names import Scope
from app_integration.observability.audit_sinks import Sink

log = logging.getLogger(__name__)

#: Seconds for which `aggregate` counts accesses of one secret before it writes them as one line.
AGGREGATE_WINDOW: Final = 60.0
MAX_WINDOWS: Final = 4096  # windows at the same time; beyond that the oldest is written

_Access = tuple[str, str, str]  # operation, name, outcome
_Details = tuple[tuple[str, Any], ...]


@dataclass(slots=True)
class _Window:
    """Number of accesses since *opened* (seconds) that no line has reported yet."""

    opened: float
    count: int = 0


class AuditLog:
    """A log of access records with two modes.

    The mode ``each`` writes one line for each access. The mode ``aggregate`` writes a line for the
    first access of a secret in each minute, with the number of accesses since the last line.
    """

    def __init__(
        self,
        scope: Scope,
        sink: Sink,
        *,
        mode: str = "each",
        best_effort: bool = False,
        accessor: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create the log; nothing is written yet."""
        self._fixed = {
            "service": scope.service,
            "environment": str(scope.environment),
            "host": socket.gethostname(),
        }
        self._sink = sink
        self._accessor = accessor
        self._aggregate = mode == "aggregate"
        self._best_effort = best_effort
        self._clock = clock
        self._windows: OrderedDict[_Access, _Window] = OrderedDict()
        self.reset_after_fork()
        fork_safety.reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Recreate the lock and drop all counts, because the parent reports its own."""
        # Reentrant, because a signal handler that reads a secret may run within a record.
        self._lock = threading.RLock()
        self._windows.clear()
        self._caller: tuple[str | None, str] = (None, self._caller_fields(None))

    def record(self, operation: str, name: str, outcome: str, **details: Any) -> None:
        """Write one access record.

        After AuditFailed, the caller must not release the secret. A detail that is None is omitted,
        and the others must be hashable.
        """
        self.prepare(operation, name, outcome, **details)()

    def prepare(
        self, operation: str, name: str, outcome: str, **details: Any
    ) -> Callable[[], None]:
        """Return a function that writes the same record at each call, for an access that recurs.

        The function raises AuditFailed if the record cannot be written.
        """
        access, fields = (operation, name, outcome), tuple(details.items())
        if self._aggregate:
            return self._prepare_count(access, fields)
        return partial(self._write, access, _render_record(access, fields))

    def _prepare_count(self, access: _Access, details: _Details) -> Callable[[], None]:
        # Local names, because attribute look-ups would be a third of the cost of a cache hit.
        clock, windows = self._clock, self._windows

        def record() -> None:
            now = clock()
            with self._lock:
                window = windows.get(access)
                if window is not None and 0 <= now - window.opened < AGGREGATE_WINDOW:
                    window.count += 1
                else:
                    self._open_window(access, details, window, now)

        return record

    def _open_window(
        self, access: _Access, details: _Details, previous: _Window | None, now: float
    ) -> None:
        # The line comes first: if it cannot be written, the next access must not count as recorded.
        count = (previous.count if previous else 0) + 1
        self._write(access, _render_record(access, (*details, ("count", count))))
        self._windows[access] = _Window(now)
        self._windows.move_to_end(access)
        while len(self._windows) > MAX_WINDOWS or self._is_oldest_over(now):
            self._close_oldest()

    def _is_oldest_over(self, now: float) -> bool:
        """Return whether the oldest window is over; a clock set back before its start closes it."""
        return not 0 <= now - next(iter(self._windows.values())).opened < AGGREGATE_WINDOW

    def close(self) -> None:
        """Write the counts that the mode ``aggregate`` has not written yet.

        After AuditFailed, the counts that were not written are kept for the next call.
        """
        with self._lock:
            while self._windows:
                self._close_oldest()

    def _close_oldest(self) -> None:
        """Write the count of the oldest window, and then remove it."""
        access, window = next(iter(self._windows.items()))
        if window.count:
            self._write(access, _render_record(access, (("count", window.count),)))
        self._windows.pop(access, None)  # if a signal handler has not closed it already

    def _write(self, access: _Access, rendered: str) -> None:
        now, accessor = self._clock(), self._accessor()
        caller = self._caller
        if caller[0] != accessor:
            self._caller = caller = (accessor, self._caller_fields(accessor))
        second = int(now)
        written_at = f"{_format_second(second)}.{int((now - second) * 1000):03d}+00:00"
        line = f'{{"time":"{written_at}",{caller[1]},{rendered}}}'
        try:
            self._sink(line)
        except (OSError, ValueError, StrongroomError) as error:
            reason, variable = _explain(error)
            if not self._best_effort:
                raise AuditFailed(
                    f"cannot write the access record of {access[1]!r} ({reason}); "
                    f"nothing was released: check {variable}"
                ) from None
            log.warning("cannot write an access record (%s); check %s", reason, variable)

    def _caller_fields(self, accessor: str | None) -> str:
        """Return the fields that all records of this process have in common, as JSON."""
        token = {"accessor": accessor} if accessor else {}
        return _encode({**self._fixed, "pid": os.getpid(), **token})[1:-1]


def _explain(error: Exception) -> tuple[str, str]:
    """Return the reason why a sink failed, and the variable to check."""
    if isinstance(error, StrongroomError):
        return str(error), "STRONGROOM_AUDIT_KEY"
    # A closed stream raises ValueError.
    reason = getattr(error, "strerror", None) or "closed"
    path = getattr(error, "filename", None)
    return f"{path}: {reason}" if path else reason, "STRONGROOM_AUDIT_FILE"


#: Created once, because `json.dumps` with options creates an encoder for each call. What it writes
#: is ASCII, so that a name cannot start a line.
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


@lru_cache(maxsize=MAX_WINDOWS)
def _render_record(access: _Access, details: _Details) -> str:
    """Return the fields of one access as JSON without braces.

    They are cached, because all hits of a value share them.
    """
    operation, name, outcome = access
    more = {key: value for key, value in details if value is not None}
    return _encode({"operation": operation, "secret": name, "outcome": outcome, **more})[1:-1]


@lru_cache(maxsize=1)
def _format_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
