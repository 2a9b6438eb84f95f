"""Process of ``deliver --watch``: it starts an application, and passes on signals to it."""

from __future__ import annotations

import signal
from contextlib import suppress
from types import FrameType
from typing import Final

from app_integration.config import file_reader
from app_integration.config.application import SIGNAL_BASE, STOPPING
from app_integration.config.deliver import record_not_rendered
from app_integration.config.delivery_watch import POLL_INTERVAL, DeliveryWatch
from app_integration.config.renderer_process import RendererProcess
from app_integration.errors import ConfigRejected

FIRST_FILE_SECONDS: Final = 120.0  # without a usable file, until the command gives up

#: Signals that the application gets instead of this process.
PASSED_ON: Final = (*STOPPING, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class WatchProcess:
    """Process of one watch, until its application ends or a signal stops it."""

    def __init__(self, watch: DeliveryWatch, renderer: RendererProcess | None = None) -> None:
        """Do nothing yet. *renderer* is None if an agent renders the staging file."""
        self._watch = watch
        self._application = watch.application
        self._clock = watch.clock
        self._renderer = renderer
        self._refusal: str | None = None

    def run(self) -> int:
        """Deliver until the application ends or a signal stops it; return the exit code."""
        for number in PASSED_ON:
            signal.signal(number, self._pass_on)
        self._watch.prepare()
        give_up = self._clock.monotonic() + FIRST_FILE_SECONDS
        while (code := self._exit_code(give_up)) is None:
            if self._watch.stopped_by is None:
                self._step()
            self._clock.sleep(POLL_INTERVAL)
        self._watch.close()
        return code

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number in STOPPING:
            self._watch.stop(number)
        else:
            self._application.send_signal(number)

    def _exit_code(self, give_up: float) -> int | None:
        """Return the exit code if the command is over."""
        code = self._application.poll()
        if code is not None or self._application.is_running:
            return code
        if self._watch.stopped_by is not None:
            return SIGNAL_BASE + self._watch.stopped_by
        if self._application.is_started:
            return None
        if self._refusal is not None:
            return 1
        if self._clock.monotonic() < give_up:
            return None
        log = "the status of the file" if self._renderer else "the agent's log"
        reason = f"no usable file within {FIRST_FILE_SECONDS:g} s; see {log}"
        live = self._watch.target.live
        self._watch.log.write("gave_up", live=live, level="alarm", reason=reason)
        return 1

    def _step(self) -> None:
        """Deliver if that is due, and start the application once there is a usable file."""
        is_rendered = self._is_rendered()  # first, because it may change the status
        if is_rendered and self._watch.is_due():
            self._watch.deliver()
        elif not self._application.is_started and self._has_usable_file():
            self._watch.start_application()

    def _is_rendered(self) -> bool:
        """Return whether the staging file is up to date, and record why it is not."""
        if self._renderer is None:
            return True
        staging, live = self._watch.staging, self._watch.target.live
        for reason, is_final in self._renderer.poll(self._clock.monotonic(), self._clock.jitter()):
            self._refusal = reason if is_final else None
            if reason is not None:
                level = "alarm" if is_final else "warning"
                self._watch.log.write("not_rendered", live=live, level=level, reason=reason)
                with suppress(OSError):  # of a full disk, which must not stop the application
                    record_not_rendered(staging, live, reason, now=self._clock.now())
        return self._renderer.is_rendered

    def _has_usable_file(self) -> bool:
        target = self._watch.target
        try:
            file_reader.read(target.live, target.access)
        except ConfigRejected:
            return False
        return True
