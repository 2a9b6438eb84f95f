"""Supervision of a program that runs with secrets, until it ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Final

from app_integration._internal.event_log import EventLog
from app_integration.config.application import SIGNAL_BASE, STOPPING, ChildApplication
from app_integration.errors import StrongroomError

#: Signals that the program gets instead of this process.
PASSED_ON: Final = (*STOPPING, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
#: Signals that a terminal sends to each process of its foreground, so to the program too.
_OF_TERMINAL: Final = (signal.SIGINT, signal.SIGQUIT)
_POLL: Final = 0.1  # seconds between two looks at the program
_RETRY: Final = 5.0  # seconds after a restart that failed


class Supervision:
    """A program, its start with the current secrets, and its restarts."""

    def __init__(
        self,
        program: ChildApplication,
        deliver: Callable[[], Mapping[str, str | bytes]],
        *,
        has_terminal: bool,
    ) -> None:
        """Start nothing yet.

        *deliver* reads the secrets, writes their files and returns the program's variables.
        """
        self._program = program
        self._deliver = deliver
        self._unsent = frozenset(_OF_TERMINAL if has_terminal else ())
        self._changed = threading.Event()
        self._stopped_by: int | None = None
        self._log = EventLog()

    @property
    def _is_ending(self) -> bool:
        return self._stopped_by is not None

    def restart(self) -> None:
        """Have the program restarted soon, with what the secrets are then. Thread-safe."""
        self._changed.set()

    def run(self) -> int:
        """Run the program, and return its exit code, as a shell reports it.

        A failure before the first start raises an error; one at a restart lets the program go on.
        """
        for number in PASSED_ON:
            signal.signal(number, self._pass_on)
        self._program.variables = self._deliver()
        if self._stopped_by is not None:
            return SIGNAL_BASE + self._stopped_by
        self._start()
        while (code := self._program.poll()) is None:
            if self._changed.wait(_POLL):
                self._restart()
        return code

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number in STOPPING:
            self._stopped_by = number
        if number not in self._unsent:
            self._program.send_signal(number)

    def _start(self) -> None:
        self._program.start()
        if self._stopped_by is not None:  # by a signal that came before the process existed
            self._program.send_signal(self._stopped_by)

    def _restart(self) -> None:
        """Restart the program with new values; one that cannot have them goes on as it is."""
        self._changed.clear()
        if self._is_ending:
            return
        try:
            variables = self._deliver()
        except (OSError, StrongroomError) as error:
            self._log.write("not_restarted", level="alarm", reason=str(error))
            self._try_again()
            return
        self._program.stop()
        if not self._is_ending:
            self._program.variables = variables
            self._start()
            self._log.write("restarted", level="info", reason="a secret has a new value")

    def _try_again(self) -> None:
        timer = threading.Timer(_RETRY, self.restart)
        timer.daemon = True  # so that the end of the program ends this process
        timer.start()


def has_terminal() -> bool:
    """Return whether this process is in the foreground of its terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
