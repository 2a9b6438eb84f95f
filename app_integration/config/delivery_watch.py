"""Delivery each time that a file is rendered, with the application started, told and watched.

A new file is on trial until the application runs well on it. Otherwise the file before it returns,
and the application is told again. One line of JSON per event goes to standard error. No line
contains a secret.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Final

from app_integration._internal.event_log import EventLog
from app_integration._internal.private_file import stamp
from app_integration.config import file_reader, trial
from app_integration.config.application import SIGNAL_BASE, STOPPING, Application
from app_integration.config.confirmation import Confirmation, Health
from app_integration.config.deliver import (
    Target,
    deliver_or_wait,
    record_not_rendered,
    roll_back,
)
from app_integration.config.delivery_status import State, read_status, status_file
from app_integration.config.redelivery import Redelivery
from app_integration.config.reload import Reload
from app_integration.config.renderer_process import RendererProcess
from app_integration.errors import ConfigRejected

POLL_INTERVAL: Final = 0.2  # seconds between two looks at the staging file and the application
FIRST_FILE_SECONDS: Final = 120.0  # without a usable file, until the command gives up

#: Signals that the application gets instead of this process.
PASSED_ON: Final = (*STOPPING, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True, slots=True)
class Clock:
    """Sources of time and randomness.

    Attributes:
        monotonic: Returns monotonic seconds.
        sleep: Sleeps for the given seconds.
        now: Returns the time in UTC.
        jitter: Returns random numbers in [0, 1).

    """

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    now: Callable[[], datetime]
    jitter: Callable[[], float]


class DeliveryWatch:
    """Delivery of one file to one application, until that ends or a signal stops it."""

    def __init__(
        self,
        staging: Path,
        target: Target,
        application: Application,
        reload: Reload,
        health: Health,
        clock: Clock,
        renderer: RendererProcess | None = None,
    ) -> None:
        """Do nothing yet.

        Args:
            staging: The rendered file.
            target: Where to. Its folder must exist, and its deliveries must be on trial.
            application: The application, not started yet.
            reload: How it is told of a new file.
            health: What it must show on one.
            clock: Time and randomness.
            renderer: Renders *staging*; None if an agent does.

        """
        self._staging = staging
        self._target = target
        self._application = application
        self._reload = reload
        self._health = health
        self._clock = clock
        self._renderer = renderer
        self._refusal: str | None = None
        self._redelivery = Redelivery(command_timeout=0.0)
        self._stopped_by: int | None = None
        self._log = EventLog()

    def run(self) -> int:
        """Deliver until the application ends or a signal stops it; return the exit code.

        Raises:
            OSError: If the application cannot be started, or the live folder cannot be written.
            ConfigRejected: If the live folder's mode is wrong.

        """
        for number in PASSED_ON:
            signal.signal(number, self._pass_on)
        self._prepare()
        give_up = self._clock.monotonic() + FIRST_FILE_SECONDS
        while (code := self._exit_code(give_up)) is None:
            if self._stopped_by is None:
                self._step()
            self._clock.sleep(POLL_INTERVAL)
        self._end_trial(State.WAITING, "the delivery was stopped while this file was tried")
        return code

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number in STOPPING:
            self._stopped_by = number
        self._application.send_signal(number)

    def _prepare(self) -> None:
        """End a trial that was cut, and have a file that was refused checked again."""
        live = self._target.live
        self._end_trial(State.ROLLED_BACK, "the delivery was killed while this file was tried")
        status = read_status(live)
        if status is not None and status.state is State.REFUSED:
            status_file(live).unlink()  # because the model may have been corrected

    def _end_trial(self, state: State, reason: str) -> None:
        """Restore the last good file if a trial is open, and tell an application that runs on."""
        if roll_back(self._target, reason, now=self._clock.now(), state=state):
            level = "warning" if state is State.WAITING else "alarm"
            self._log.write("trial_cut", live=self._target.live, level=level, reason=reason)
            self._reload.tell(self._application)

    def _exit_code(self, give_up: float) -> int | None:
        """Return the exit code if the command is over."""
        code = self._application.poll()
        if code is not None or self._application.is_running:
            return code
        if self._stopped_by is not None:
            return SIGNAL_BASE + self._stopped_by
        if self._application.is_started:
            return None
        if self._refusal is not None:
            return 1
        if self._clock.monotonic() < give_up:
            return None
        log = "the status of the file" if self._renderer else "the agent's log"
        reason = f"no usable file within {FIRST_FILE_SECONDS:g} s; see {log}"
        self._log.write("gave_up", live=self._target.live, level="alarm", reason=reason)
        return 1

    def _step(self) -> None:
        """Deliver if that is due, and start the application once there is a usable file."""
        is_rendered = self._is_rendered()  # first, because it may change the status
        staged, status = stamp(self._staging), read_status(self._target.live)
        if is_rendered and self._redelivery.is_due(staged, status, self._clock.monotonic()):
            self._deliver()
            self._redelivery.record_attempt(self._clock.monotonic(), self._clock.jitter())
        elif not self._application.is_started and self._has_usable_file():
            self._start()

    def _is_rendered(self) -> bool:
        """Return whether the staging file is up to date, and record why it is not."""
        if self._renderer is None:
            return True
        live = self._target.live
        for reason, is_final in self._renderer.poll(self._clock.monotonic(), self._clock.jitter()):
            self._refusal = reason if is_final else None
            if reason is not None:
                level = "alarm" if is_final else "warning"
                self._log.write("not_rendered", live=live, level=level, reason=reason)
                with suppress(OSError):  # of a full disk, which must not end the application
                    record_not_rendered(self._staging, live, reason, now=self._clock.now())
        return self._renderer.is_rendered

    def _deliver(self) -> None:
        live = self._target.live
        state, reason = deliver_or_wait(self._staging, self._target, now=self._clock.now())
        level = "info" if state.is_live else "warning" if state is State.WAITING else "alarm"
        self._log.write(state, live=live, level=level, **({"reason": reason} if reason else {}))
        if state is State.DELIVERED:
            self._try_out()

    def _try_out(self) -> None:
        """Tell the application of the new file, and roll back if it does not run well on it."""
        problem = self._tell_and_confirm()
        if self._stopped_by is not None:
            return  # undecided
        live = self._target.live
        if problem is None:
            trial.accept(live)
            self._log.write("confirmed", live=live, level="info")
            return
        is_restored = roll_back(self._target, problem, now=self._clock.now())
        event = "rolled_back" if is_restored else "unhealthy_on_first_file"
        self._log.write(event, live=live, level="alarm", reason=problem)
        if is_restored:
            self._recover()

    def _recover(self) -> None:
        """Have the application run on the last good file again, by a restart if need be."""
        problem = self._tell_and_confirm()
        if problem is not None and not self._reload.is_restart and self._stopped_by is None:
            self._application.stop()
            problem = self._tell_and_confirm()
        if problem is not None and self._stopped_by is None:
            live = self._target.live
            self._log.write("unhealthy_on_last_good_file", live=live, level="alarm", reason=problem)

    def _tell_and_confirm(self) -> str | None:
        """Tell the application, start it if it does not run, and wait until it runs well.

        Returns:
            What is wrong, or None; also if a signal has stopped the command meanwhile.

        """
        if self._reload.is_restart:
            self._application.stop()
        is_told = not self._application.is_running
        if is_told and self._stopped_by is None:
            self._start()
        confirmation = Confirmation(self._health, self._clock.monotonic())
        while self._stopped_by is None:
            if (code := self._application.poll()) is not None:
                return f"the application ended with code {code} on it"
            problem = None if is_told else self._reload.tell(self._application)
            is_told = problem is None
            problem = problem or self._health.find_problem()
            verdict = confirmation.observe(problem, self._clock.monotonic())
            if verdict is not None:
                return None if verdict else self._describe(problem)
            self._clock.sleep(POLL_INTERVAL)
        return None

    def _describe(self, problem: str | None) -> str:
        within = f"the application was not healthy on it within {self._health.within:g} s"
        return f"{within}: {problem}" if problem else within

    def _start(self) -> None:
        self._application.start()
        if self._stopped_by is not None:  # by a signal that came before the process existed
            self._application.send_signal(self._stopped_by)
        self._log.write("application_started", live=self._target.live, level="info")

    def _has_usable_file(self) -> bool:
        try:
            file_reader.read(self._target.live, self._target.access)
        except ConfigRejected:
            return False
        return True
