"""The caller's side of the audit trail: one JSON line for each access, written before release.

The server's audit device is the evidence; these lines add who asked inside the application, and
carry the server's ``request_id`` to join the two.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from app_integration._internal import fork_safety
from app_integration.errors import AuditFailed
from app_integration.names import Scope
from app_integration.observability.audit_sinks import FileSink, Sink, stderr_sink
from app_integration.settings import Settings

log = logging.getLogger(__name__)

#: Seconds that `aggregate` counts accesses of one secret before it writes them as one line.
AGGREGATE_WINDOW: Final = 60.0
MAX_WINDOWS: Final = 4096  # counts held at once; the oldest is written first

_Access = tuple[str, str, str]  # operation, name, outcome
_Details = tuple[tuple[str, Any], ...]


@dataclass(slots=True)
class _Window:
    """Accesses since *opened* (seconds) that no line tells of yet."""

    opened: float
    seen: int = 0


class AuditLog:
    """Writes access records in one of two modes.

    ``each``: one line for each access. ``aggregate``: a line for the first access of a secret in
    each minute, with the count of those since the last line.
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
        """Args: see below.

        Args:
            scope: whose accesses these are.
            sink: where lines go; what it raises stops the release.
            mode: ``each`` or ``aggregate``.
            best_effort: a failing sink is passed over; in development only.
            accessor: the HMAC of the token's accessor that is in use, when it is known.
            clock: seconds since the epoch.

        """
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
        """A fresh lock, and counts from zero: the parent reports its own."""
        self._lock = threading.Lock()
        self._windows.clear()
        self._caller: tuple[str | None, str] = (None, self._describe(None))

    def record(self, operation: str, name: str, outcome: str, **details: Any) -> None:
        """Write that *operation* on *name* ended with *outcome*.

        Args:
            operation: what was done, in the words of the record.
            name: of the secret, or of whatever it was done to.
            outcome: see ``docs/Security.md``.
            details: more fields; hashable values that JSON knows, None for a field to leave out.

        Raises:
            AuditFailed: the line couldn't be written; the caller must release nothing.

        """
        self.prepared(operation, name, outcome, **details)()

    def prepared(
        self, operation: str, name: str, outcome: str, **details: Any
    ) -> Callable[[], None]:
        """What writes this one record, again and again; raises as :meth:`record` does."""
        access, told = (operation, name, outcome), tuple(details.items())
        if self._aggregate:
            return self._counting(access, told)
        rendered = _rendered(access, told)
        return lambda: self._write(access, self._clock(), rendered)

    def _counting(self, access: _Access, details: _Details) -> Callable[[], None]:
        # Bound here once: the look-ups would be a third of what a hit costs.
        clock, windows = self._clock, self._windows

        def record() -> None:
            now = clock()
            with self._lock:
                window = windows.get(access)
                if window is not None and 0 <= now - window.opened < AGGREGATE_WINDOW:
                    window.seen += 1
                else:
                    self._open(access, details, window, now)

        return record

    def _open(self, access: _Access, details: _Details, last: _Window | None, now: float) -> None:
        # Opened only once the line is written: a failure must not let the next access pass.
        count = (last.seen if last else 0) + 1
        self._write(access, now, _rendered(access, (*details, ("count", count))))
        self._windows[access] = _Window(now)
        self._windows.move_to_end(access)
        while len(self._windows) > MAX_WINDOWS or self._oldest_is_over(now):
            self._report_oldest()

    def _oldest_is_over(self, now: float) -> bool:
        """Whether its minute is over; also when the clock went back past its beginning."""
        return not 0 <= now - next(iter(self._windows.values())).opened < AGGREGATE_WINDOW

    def close(self) -> None:
        """Write the counts that `aggregate` still holds."""
        with self._lock:
            while self._windows:
                self._report_oldest()

    def _report_oldest(self) -> None:
        """Write what the oldest window counted; it goes once that is written."""
        access, window = next(iter(self._windows.items()))
        if window.seen:
            self._write(access, self._clock(), _rendered(access, (("count", window.seen),)))
        del self._windows[access]

    def _write(self, access: _Access, now: float, rendered: str) -> None:
        accessor = self._accessor()
        caller = self._caller
        if caller[0] != accessor:
            self._caller = caller = (accessor, self._describe(accessor))
        line = f'{{"time":"{_time(now)}",{caller[1]},{rendered}}}'
        try:
            self._sink(line)
        except (OSError, ValueError) as error:  # ValueError: a stream that was closed
            reason = getattr(error, "strerror", None) or "closed"
            if not self._best_effort:
                raise AuditFailed(
                    f"the access record of {access[1]!r} couldn't be written ({reason}); "
                    "nothing was released: check STRONGROOM_AUDIT_FILE"
                ) from None
            log.warning("an access record couldn't be written: %s", reason)

    def _describe(self, accessor: str | None) -> str:
        """Who asks: what every line of this process holds."""
        told = {"accessor": accessor} if accessor else {}
        return _fields({**self._fixed, "pid": os.getpid(), **told})


#: One made in advance: `json.dumps` with options makes one for each call.
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def _fields(told: Mapping[str, Any]) -> str:
    """*told* as the inside of a JSON object. ASCII, so that no name can begin another line."""
    return _encode(told)[1:-1]


@lru_cache(maxsize=MAX_WINDOWS)
def _rendered(access: _Access, details: _Details) -> str:
    """What was accessed; the same for each hit of one value, so it is made once."""
    operation, name, outcome = access
    told = {key: value for key, value in details if value is not None}
    return _fields({"operation": operation, "secret": name, "outcome": outcome, **told})


@lru_cache(maxsize=1)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _time(now: float) -> str:
    """*now* as UTC with milliseconds."""
    second = int(now)
    return f"{_second(second)}.{int((now - second) * 1000):03d}+00:00"


def open_audit(settings: Settings, accessor: Callable[[], str | None] = lambda: None) -> AuditLog:
    """The audit log that *settings* describe; best effort in development only."""
    return AuditLog(
        settings.scope,
        FileSink(settings.audit_file) if settings.audit_file else stderr_sink,
        mode=settings.audit_mode,
        best_effort=settings.development,
        accessor=accessor,
    )
