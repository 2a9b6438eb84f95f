"""Deliveries by the supervisor: of files that the agent rendered and its own command left behind.

The agent runs its command once for each rendering, see :mod:`app_integration.config.redelivery`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from agent.child_process import run_command
from agent.delivery import EXEC_TIMEOUT, Delivery
from agent.run_settings import RunSettings
from app_integration._internal.event_log import EventLog
from app_integration._internal.private_file import stamp
from app_integration.config.delivery_status import read_status, status_file
from app_integration.config.redelivery import Redelivery

POLL_INTERVAL: Final = 1.0  # seconds between two checks for rendered files that are not live


class Deliverer:
    """Deliverer of the files of one agent."""

    def __init__(
        self,
        settings: RunSettings,
        log: EventLog,
        *,
        clock: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        """Store the settings; deliver nothing.

        Args:
            settings: The configuration.
            log: The log of the outcomes.
            clock: Returns monotonic seconds.
            jitter: Returns random numbers in [0, 1).

        """
        self._settings = settings
        self._log = log
        self._clock = clock
        self._jitter = jitter

    def discard_results(self) -> None:
        """Delete the rendered files of an earlier agent, and the statuses of their deliveries.

        The files that the application reads stay.

        Raises:
            OSError: If a file cannot be deleted.

        """
        for delivery in self._settings.deliveries:
            for leftover in (delivery.staging, status_file(delivery.live)):
                leftover.unlink(missing_ok=True)

    def has_results(self) -> bool:
        """Return whether a delivery of each file was tried since the agent rendered it."""
        return all(each.read_outcome() is not None for each in self._settings.deliveries)

    async def deliver_staged(self) -> None:
        """Deliver the files that an earlier agent rendered, and create the staging folders.

        A crash between the rendering and the delivery of a file leaves it undelivered.

        Raises:
            OSError: If a staging folder cannot be created or the interpreter cannot be started.

        """
        for delivery in self._settings.deliveries:
            delivery.staging.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if delivery.staging.exists():
                await self.deliver(delivery)

    async def redeliver(self) -> None:
        """Deliver the rendered files that are not live, each when it is due, until cancelled."""
        schedules = [(each, Redelivery(EXEC_TIMEOUT + 1)) for each in self._settings.deliveries]
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            for delivery, redelivery in schedules:
                staged, status = stamp(delivery.staging), read_status(delivery.live)
                if redelivery.is_due(staged, status, self._clock()):
                    await self._deliver_or_log(delivery)
                    redelivery.record_attempt(self._clock(), self._jitter())

    async def deliver(self, delivery: Delivery) -> None:
        """Run the agent's delivery command once, and log the result as an event.

        Raises:
            OSError: If the interpreter cannot be started.

        """
        command = delivery.command(self._settings.python)
        try:
            code, output = await run_command(command, self._settings, EXEC_TIMEOUT)
        except TimeoutError:
            reason = f"took more than {EXEC_TIMEOUT} s"
            self._log.write("reconcile_failed", live=delivery.live, reason=reason)
            return
        outcome = output.decode(errors="replace").strip()
        self._log.write("reconciled", live=delivery.live, code=code, outcome=outcome)

    async def _deliver_or_log(self, delivery: Delivery) -> None:
        try:
            await self.deliver(delivery)
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}"
            self._log.write("reconcile_failed", live=delivery.live, reason=reason)
