"""The caller's side of the audit trail: one JSON line for each access, written before release.

The server's audit device is the evidence; these lines add who asked inside the application, and
carry the server's ``request_id`` to join the two.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from app_integration import forks
from app_integration.errors import AuditFailed
from app_integration.names import Scope
from app_integration.settings import Settings

log = logging.getLogger(__name__)

#: Seconds that `aggregate` counts accesses of one secret before it writes them as one line.
AGGREGATE_WINDOW: Final = 60.0
MAX_WINDOWS: Final = 4096  # counts held at once; the oldest is written first

_Access = tuple[str, str, str]  # operation, name, outcome


@dataclass(slots=True)
class _Window:
    """Accesses since *opened* (seconds) that no line tells of yet."""

    opened: float
    seen: int = 0


#: Where the lines go, one a call. An OSError that it raises stops the release of the secret.
Sink = Callable[[str], None]


def file_sink(path: Path) -> Sink:
    """Appends to *path* (made 0600), one write a line, so that processes can share it."""

    def write(line: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)

    return write


def stderr_sink(line: str) -> None:
    """Writes to standard error, as a container's log collector expects."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


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
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Args: *best_effort* lets a failing sink pass, in development only; *clock* in seconds."""
        self._fixed = {
            "service": scope.service,
            "environment": str(scope.environment),
            "host": socket.gethostname(),
        }
        self._sink = sink
        self._aggregate = mode == "aggregate"
        self._best_effort = best_effort
        self._clock = clock
        self._windows: OrderedDict[_Access, _Window] = OrderedDict()
        self.forget()
        forks.forget_in_child(self)

    def forget(self) -> None:
        """A fresh lock, and counts from zero: the parent reports its own."""
        self._lock = threading.Lock()
        self._windows.clear()

    def record(self, operation: str, name: str, outcome: str, **details: Any) -> None:
        """Write that *operation* on *name* ended with *outcome*.

        Raises:
            AuditFailed: the line couldn't be written; the caller must release nothing.
        """
        now, access = self._clock(), (operation, name, outcome)
        told = {key: value for key, value in details.items() if value is not None}
        if not self._aggregate:
            self._write(access, now, told)
            return
        with self._lock:
            window = self._windows.get(access)
            if window is not None and now - window.opened < AGGREGATE_WINDOW:
                window.seen += 1
                return
            # Opened only once the line is written: a failure must not let the next access pass.
            self._write(access, now, {**told, "count": (window.seen if window else 0) + 1})
            self._windows[access] = _Window(now)
            self._windows.move_to_end(access)
            while len(self._windows) > MAX_WINDOWS:
                self._report(*self._windows.popitem(last=False))

    def close(self) -> None:
        """Write the counts that `aggregate` still holds."""
        with self._lock:
            while self._windows:
                self._report(*self._windows.popitem(last=False))

    def _report(self, access: _Access, window: _Window) -> None:
        if window.seen:
            self._write(access, self._clock(), {"count": window.seen})

    def _write(self, access: _Access, now: float, details: dict[str, Any]) -> None:
        operation, name, outcome = access
        line = {
            "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
            **self._fixed,
            "pid": os.getpid(),
            "operation": operation,
            "secret": name,
            "outcome": outcome,
            **details,
        }
        try:
            self._sink(json.dumps(line, separators=(",", ":")))
        except OSError as error:
            if not self._best_effort:
                raise AuditFailed(
                    f"the access record of {name!r} couldn't be written ({error.strerror}); "
                    "nothing was released: check STRONGROOM_AUDIT_FILE"
                ) from None
            log.warning("an access record couldn't be written: %s", error.strerror)


def open_audit(settings: Settings) -> AuditLog:
    """The audit log that *settings* describe; best effort in development only."""
    return AuditLog(
        settings.scope,
        file_sink(settings.audit_file) if settings.audit_file else stderr_sink,
        mode=settings.audit_mode,
        best_effort=settings.development,
    )
