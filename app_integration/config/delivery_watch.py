"""Delivery of one file each time that it is rendered, with the application notified and watched.

A new file is on trial until the application runs well on it. Otherwise the file before it returns,
and the application is notified again. One line of JSON per event goes to standard error, without
secrets.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from app_integration._internal.event_log import EventLog
from app_integration._internal.private_file import Stamp, stamp
from app_integration.config import trial
from app_integration.config.application import Application
from app_integration.config.confirmation import Confirmation, Health
from app_integration.config.deliver import Target, deliver_or_wait, roll_back
from app_integration.config.delivery_status import State, Status, read_status, status_file
from app_integration.config.redelivery import Redelivery
from app_integration.config.reload import Reload

POLL_INTERVAL: Final = 0.2  # seconds between two looks at the staging file and the application


@dataclass(frozen=True, slots=True)
class Clock:
    """Sources of time and randomness."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    now: Callable[[], datetime]
    jitter: Callable[[], float]


@dataclass(slots=True)
class DeliveryWatch:
    """Delivery of one file to one application. Another thread may only stop it."""

    staging: Path
    target: Target
    application: Application
    reload: Reload
    health: Health
    clock: Clock
    log: EventLog = field(default_factory=EventLog)
    redelivery: Redelivery = field(default_factory=Redelivery)
    stopped_by: int | None = None
    _written: Stamp | None = None
    _status: Status | None = None

    @property
    def is_stopped(self) -> bool:
        """Return whether it was stopped."""
        return self.stopped_by is not None

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Have a delivery that is under way end undecided, and send *number* to the application."""
        self.stopped_by = number
        self.application.send_signal(number)

    def prepare(self, killed: State = State.ROLLED_BACK) -> None:
        """Close a trial that a kill interrupted, and have a rejected file checked again."""
        self._end_trial(killed, "the delivery was killed while this file was tried")
        live = self.target.live
        status = read_status(live)
        if status is not None and status.state is State.REFUSED:
            status_file(live).unlink()  # because the model may have been corrected

    def close(self) -> None:
        """Close a trial that :meth:`stop` has interrupted, so that its file is tried again."""
        self._end_trial(State.WAITING, "the delivery was stopped while this file was tried")

    def _end_trial(self, state: State, reason: str) -> None:
        """Restore the last good file if a trial is open, and notify a running application."""
        if roll_back(self.target, reason, now=self.clock.now(), state=state):
            level = "warning" if state is State.WAITING else "alarm"
            self.log.write("trial_cut", live=self.target.live, level=level, reason=reason)
            self.reload.notify(self.application)

    def is_due(self) -> bool:
        """Return whether there is a file to deliver now."""
        live = self.target.live
        written = stamp(status_file(live))
        if written != self._written:  # read once, because twenty watches of a supervisor look often
            self._written, self._status = written, read_status(live)
        return self.redelivery.is_due(stamp(self.staging), self._status, self.clock.monotonic())

    def deliver(self) -> None:
        """Deliver the file, and try it out unless the application cannot be judged on it."""
        try:
            self._deliver()
        finally:
            self.redelivery.record_attempt(self.clock.monotonic(), self.clock.jitter())

    def _deliver(self) -> None:
        obstacle = self.health.find_obstacle()  # first, because the new file may cause the next one
        target = replace(self.target, is_on_trial=obstacle is None)
        now, live = self.clock.now(), self.target.live
        state, reason = deliver_or_wait(
            self.staging, target, now=now, is_stopped=lambda: self.is_stopped
        )
        level = "info" if state.is_live else "warning" if state is State.WAITING else "alarm"
        self.log.write(state, live=live, level=level, **({"reason": reason} if reason else {}))
        if state is State.DELIVERED and obstacle is None:
            self._try_out()
        elif state is State.DELIVERED:
            problem = self.reload.notify(self.application)
            reason = f"{obstacle}; {problem}" if problem else obstacle
            self.log.write("not_tried", live=live, level="info", reason=reason)

    def _try_out(self) -> None:
        """Tell the application of the new file, and roll back if it does not run well on it."""
        problem = self._tell_and_confirm()
        if self.is_stopped:
            return  # undecided
        live = self.target.live
        if problem is None:
            trial.accept(live)
            self.log.write("confirmed", live=live, level="info")
            return
        is_restored = roll_back(self.target, problem, now=self.clock.now())
        event = "rolled_back" if is_restored else "unhealthy_on_first_file"
        self.log.write(event, live=live, level="alarm", reason=problem)
        if is_restored:
            self._recover()

    def _recover(self) -> None:
        """Have the application run on the last good file again, by a restart if need be."""
        problem = self._tell_and_confirm()
        if problem is not None and not self.reload.is_restart and not self.is_stopped:
            self.application.stop()
            problem = self._tell_and_confirm()
        if problem is not None and not self.is_stopped:
            live = self.target.live
            self.log.write("unhealthy_on_last_good_file", live=live, level="alarm", reason=problem)

    def _tell_and_confirm(self) -> str | None:
        """Tell the application, start it if it does not run, and wait until it runs well."""
        if self.reload.is_restart:
            self.application.stop()
        is_notified = not self.application.is_running
        if is_notified and not self.is_stopped:
            self.start_application()
        confirmation = Confirmation(self.health, self.clock.monotonic())
        while not self.is_stopped:
            if (code := self.application.poll()) is not None:
                return f"the application ended with code {code} on it"
            problem = None if is_notified else self.reload.notify(self.application)
            is_notified = problem is None
            problem = problem or self.health.find_problem()
            verdict = confirmation.observe(problem, self.clock.monotonic())
            if verdict is not None:
                return None if verdict else self._describe(problem)
            self.clock.sleep(POLL_INTERVAL)
        return None

    def _describe(self, problem: str | None) -> str:
        within = f"the application was not healthy on it within {self.health.within:g} s"
        return f"{within}: {problem}" if problem else within

    def start_application(self) -> None:
        """Start the application."""
        self.application.start()
        if self.stopped_by is not None:  # by a signal that came before the process existed
            self.application.send_signal(self.stopped_by)
        self.log.write("application_started", live=self.target.live, level="info")
