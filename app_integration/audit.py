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
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from app_integration.errors import AuditFailed
from app_integration.names import Scope
from app_integration.settings import Settings

log = logging.getLogger("app_integration.audit")

#: Seconds that `aggregate` counts accesses of one secret before it writes them as one line.
AGGREGATE_WINDOW: Final = 60.0


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


def log_sink(line: str) -> None:
    """Hands the line to the logger ``app_integration.audit`` at INFO, for the host to ship."""
    log.info("%s", line)


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
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def record(self, operation: str, name: str, outcome: str, **details: Any) -> None:
        """Write that *operation* on *name* ended with *outcome*.

        Raises:
            AuditFailed: the line couldn't be written; the caller must release nothing.
        """
        now = self._clock()
        count = self._counted(f"{operation} {name} {outcome}", now) if self._aggregate else 1
        if count == 0:
            return
        line = {
            "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
            **self._fixed,
            "pid": os.getpid(),
            "operation": operation,
            "secret": name,
            "outcome": outcome,
            **{key: value for key, value in details.items() if value is not None},
        }
        if self._aggregate:
            line["count"] = count
        try:
            self._sink(json.dumps(line, separators=(",", ":")))
        except OSError as error:
            if not self._best_effort:
                raise AuditFailed(
                    f"the access record of {name!r} couldn't be written ({error.strerror}); "
                    "nothing was released: check STRONGROOM_AUDIT_FILE"
                ) from None
            log.warning("an access record couldn't be written: %s", error.strerror)

    def _counted(self, key: str, now: float) -> int:
        """Accesses to report now: 0 while the window of *key* is open."""
        with self._lock:
            opened, seen = self._windows.get(key, (float("-inf"), 0))
            if now - opened < AGGREGATE_WINDOW:
                self._windows[key] = (opened, seen + 1)
                return 0
            self._windows[key] = (now, 0)
            return seen + 1


def open_audit(settings: Settings) -> AuditLog:
    """The audit log that *settings* describe; best effort in development only."""
    return AuditLog(
        settings.scope,
        file_sink(settings.audit_file) if settings.audit_file else log_sink,
        mode=settings.audit_mode,
        best_effort=settings.development,
    )
