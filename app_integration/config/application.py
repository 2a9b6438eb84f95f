"""Application that reads a delivered file, as its own process or as a child of this one."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from app_integration._internal.parent_death import parent_death_hook

#: Signals that stop an application.
STOPPING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
STOP_SECONDS: Final = 30.0  # for the application to exit at a restart, before it is killed
SIGNAL_BASE: Final = 128  # of the exit code that a shell reports for a process that a signal killed


class Application(Protocol):
    """Process of an application."""

    @property
    def is_started(self) -> bool:
        """Return whether the application was started, and may have exited since."""
        ...

    @property
    def is_running(self) -> bool:
        """Return whether the application was started, and has not exited."""
        ...

    def start(self) -> None:
        """Start the application; raise OSError if the program cannot be started."""
        ...

    def poll(self) -> int | None:
        """Return its exit code, as a shell reports it; None while it runs, or before it starts."""
        ...

    def send_signal(self, number: int) -> None:
        """Send a signal, if it is running."""
        ...

    def stop(self) -> None:
        """Stop the application by SIGTERM, or by SIGKILL :data:`STOP_SECONDS` later."""
        ...


class ChildApplication:
    """Application that this process starts.

    It has a process group of its own, so that a terminal's Ctrl-C reaches it once: as the signal
    that this process passes on. If this process is killed, it gets SIGTERM on Linux, but not with
    *has_threads*, where nothing may run between fork and exec.
    """

    def __init__(
        self, command: Sequence[str], *, has_terminal: bool = False, has_threads: bool = False
    ) -> None:
        """Start nothing yet."""
        self.variables: Mapping[str, str | bytes] | None = None
        self._command = list(command)
        self._has_terminal = has_terminal
        self._hook = None if has_threads else parent_death_hook(signal.SIGTERM)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_started(self) -> bool:
        """Return whether the application was started, and may have exited since."""
        return self._process is not None

    @property
    def is_running(self) -> bool:
        """Return whether the application was started, and has not exited."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the application."""
        self._kill_group()  # of the one before, which may have left a worker on the same port
        self._process = subprocess.Popen(
            self._command,
            env=self.variables,
            process_group=None if self._has_terminal else 0,
            preexec_fn=self._hook,  # noqa: PLW1509 (this process has one thread)
        )

    def poll(self) -> int | None:
        """Return its exit code, as a shell reports it; None while it runs, or before it starts."""
        if self._process is None:
            return None
        reap_orphans(self._process.pid)
        code = self._process.poll()
        return code if code is None or code >= 0 else SIGNAL_BASE - code

    def send_signal(self, number: int) -> None:
        """Send a signal, if it is running."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """Stop the application by SIGTERM, or by SIGKILL :data:`STOP_SECONDS` later."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._kill_group()

    def _kill_group(self) -> None:
        """Kill the processes that an application left in its process group when it exited."""
        if self._process is not None and not self._has_terminal:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


class SeparateApplication:
    """Application that something else starts and stops, such as a unit of systemd.

    Its exit is not seen here. The delivery takes it as exited once it is stopped itself.
    """

    is_started: Final = True

    def __init__(self) -> None:
        """Take the application as running."""
        self.is_running = True

    def start(self) -> None:
        """Do nothing."""

    def poll(self) -> int | None:
        """Return 0 if the delivery was stopped, else None."""
        return None if self.is_running else 0

    def send_signal(self, number: int) -> None:
        """Take the application as exited if *number* stops the delivery."""
        self.is_running = self.is_running and number not in STOPPING

    def stop(self) -> None:
        """Do nothing, because its process is not known."""


def reap_orphans(child: int) -> None:
    """Wait for exited processes that this one has inherited, as the first of a container does.

    That of *child* is left to its :class:`subprocess.Popen`.
    """
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid == child:
            return
        os.waitpid(ended.si_pid, 0)
