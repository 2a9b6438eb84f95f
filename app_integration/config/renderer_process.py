"""Process that renders the staging file by the SDK, as a delivery sees it.

It is a process of its own, see :mod:`app_integration.rendering.__main__`: the process that starts
the application has no secrets and no threads, and waits for no request.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from app_integration._internal.backoff import backoff

#: Not imported, because it needs the client, which is above this package.
_MODULE: Final = "app_integration.rendering"
_ONCE_SECONDS: Final = 120.0  # for all requests of one rendering; each has its own deadline
_STOP_SECONDS: Final = 5.0  # for the process to revoke its token
_MAX_READ: Final = 64 * 1024  # bytes
_ENDED: Final = "the process that reads the secrets ended; see its output"


class Rendering(NamedTuple):
    """Result of one attempt to render the staging file.

    *problem* contains no secret. With *is_final*, the skeleton or a setting must change first.
    """

    problem: str | None
    is_final: bool = False


class RendererProcess:
    """Process that renders one staging file."""

    def __init__(self, skeleton: Path, staging: Path, every: float | None) -> None:
        """Start nothing yet.

        *every* is in seconds; None for the TTL of cached secrets.
        """
        self._arguments = ["--skeleton", str(skeleton), "--staging", str(staging)]
        self._every = [] if every is None else ["--every", str(every)]
        self._process: subprocess.Popen[bytes] | None = None
        self._reads = -1
        self._unread = b""
        self._is_closed = False
        self._failures = 0
        self._start_at = 0.0
        self._last: Rendering | None = None

    @property
    def is_rendered(self) -> bool:
        """Return whether the staging file is what the last attempt rendered."""
        return self._last is not None and self._last.problem is None

    @property
    def is_running(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def render_once(self) -> str | None:
        """Render the file; return why that failed, or None."""
        self._start(["--once"])
        try:
            found = self._read_until_closed()
        finally:
            self.stop()
        if found:
            return found[0].problem
        if self._is_closed:
            return _ENDED
        return f"the secrets were not read within {_ONCE_SECONDS:g} s; check the network"

    def poll(self, now: float, jitter: float) -> Sequence[Rendering]:
        """Return the results since the last call.

        Starts the process, also again after a backoff if it has exited.
        """
        if self._process is None:
            found = self._restart(now, jitter) if now >= self._start_at else []
        else:
            has_ended = not self.is_running  # first, so that its last result is read
            found = self._read_results()
            if has_ended:
                found += self._handle_end(found, now, jitter)
        if found:
            self._last = found[-1]
            self._failures = 0 if self.is_rendered else self._failures
        return found

    def _restart(self, now: float, jitter: float) -> list[Rendering]:
        """Start the process; return why that failed, if it did."""
        self._last = None
        try:
            self._start(self._every)
        except OSError as error:
            self._delay_start(now, jitter)
            return [Rendering(f"{sys.executable} cannot be started: {error.strerror}")]
        return []

    def _handle_end(self, found: Sequence[Rendering], now: float, jitter: float) -> list[Rendering]:
        """Have the process started again; return its exit, or the reason in its last result."""
        self.stop()
        self._delay_start(now, jitter)
        last = found[-1] if found else self._last
        is_explained = last is not None and last.problem is not None
        return [] if is_explained else [Rendering(_ENDED)]

    def _delay_start(self, now: float, jitter: float) -> None:
        self._failures += 1
        self._start_at = now + backoff(self._failures, jitter)

    def stop(self) -> None:
        """Stop the process, so that it revokes its token."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._reads)
        self._process = None

    def _start(self, options: Sequence[str]) -> None:
        self._reads, writes = os.pipe()
        os.set_blocking(self._reads, False)
        self._unread, self._is_closed = b"", False
        result = ["--parent", str(os.getpid()), "--result", str(writes)]
        command = [sys.executable, "-m", _MODULE, *self._arguments, *options, *result]
        try:
            # In a session of its own, because Ctrl-C on a terminal is for the application.
            self._process = subprocess.Popen(command, pass_fds=[writes], start_new_session=True)
        except OSError:
            os.close(self._reads)
            raise
        finally:
            os.close(writes)

    def _read_until_closed(self) -> list[Rendering]:
        """Return all results. The process closes the pipe once its token is revoked."""
        found: list[Rendering] = []
        with selectors.DefaultSelector() as selector:
            selector.register(self._reads, selectors.EVENT_READ)
            while not self._is_closed and selector.select(_ONCE_SECONDS):
                found += self._read_results()
        return found

    def _read_results(self) -> list[Rendering]:
        """Return the results that are in the pipe, without waiting for more."""
        with suppress(BlockingIOError):
            while part := os.read(self._reads, _MAX_READ):
                self._unread += part
            self._is_closed = True
        *lines, self._unread = self._unread.split(b"\n")
        return [Rendering(*json.loads(line)) for line in lines]
