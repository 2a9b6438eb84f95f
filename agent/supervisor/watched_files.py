"""Files that an agent renders, which the supervisor delivers, each by a watch of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from agent.supervisor.child_process import environment
from agent.supervisor.daemon_thread import call_in_thread
from agent.supervisor.delivered_file import DeliveredFile
from agent.supervisor.run_settings import RunSettings
from agent.supervisor.unit_state import utc_now
from app_integration._internal.event_log import EventLog
from app_integration.config.application import SeparateApplication
from app_integration.config.deliver import Target, describe_error
from app_integration.config.delivery_status import State, status_file
from app_integration.config.delivery_watch import POLL_INTERVAL, Clock, DeliveryWatch
from app_integration.config.file_access import FileAccess
from app_integration.config.interpreter import Interpreter
from app_integration.config.redelivery import Redelivery
from app_integration.config.reload import Reload
from app_integration.errors import StrongroomError


class WatchedFiles:
    """Files of one unit, and the tasks that deliver them."""

    def __init__(
        self,
        settings: RunSettings,
        log: EventLog,
        *,
        clock: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        """Deliver nothing yet. *clock* returns monotonic seconds, *jitter* numbers in [0, 1)."""
        self._files = settings.deliveries
        sources = Clock(clock, time.sleep, utc_now, jitter)
        self._watches = [_make_watch(each, settings, sources, log) for each in self._files]
        self._tasks: list[asyncio.Task[None]] = []

    async def prepare(self) -> None:
        """Close the trials that the kill of another supervisor has interrupted."""
        for watch in self._watches:
            # To be tried again, because the application does not run in the killed process.
            prepare = partial(watch.prepare, State.WAITING)
            await call_in_thread(partial(_call, prepare, watch))

    def discard_results(self) -> None:
        """Delete what an earlier agent rendered, and its statuses. The live files stay."""
        for file in self._files:
            for leftover in (file.staging, status_file(file.live)):
                leftover.unlink(missing_ok=True)

    def has_results(self) -> bool:
        """Return whether a delivery of each file was tried since the agent rendered it."""
        return all(each.read_outcome() is not None for each in self._files)

    def start(self) -> None:
        """Create the staging folders, and deliver the files from now on."""
        for file in self._files:
            file.staging.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._tasks:
            self._tasks = [asyncio.create_task(_follow(watch)) for watch in self._watches]

    async def stop(self) -> None:
        """Stop the deliveries, and close the trials that this interrupts."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


def _make_watch(
    file: DeliveredFile, settings: RunSettings, clock: Clock, log: EventLog
) -> DeliveryWatch:
    reload, health = file.reload, file.health
    if reload.is_restart or reload.is_signal:
        # Both need the application's process, which its developer starts. So it is not told, and
        # its health says nothing about a file that it has not loaded.
        reason = f"{reload.text} needs the process of the application, which its developer starts"
        reload, health = Reload(), replace(health, url=None, reason=reason)
    interpreter = Interpreter.of_application(
        settings.python, settings.working_directory, environment(settings)
    )
    return DeliveryWatch(
        file.staging,
        Target(file.live, file.model, FileAccess(), interpreter=interpreter),
        SeparateApplication(),
        reload,
        health,
        clock,
        log,
        Redelivery(is_checked_first=True),
    )


async def _follow(watch: DeliveryWatch) -> None:
    """Deliver the file of *watch* whenever that is due, until cancelled."""
    while True:
        if watch.is_due():
            await _deliver(watch)
        await asyncio.sleep(POLL_INTERVAL)


async def _deliver(watch: DeliveryWatch) -> None:
    """Deliver in a thread. A cancellation is raised once that has ended."""
    delivering = asyncio.ensure_future(call_in_thread(partial(_call, watch.deliver, watch)))
    try:
        await asyncio.shield(delivering)
    except asyncio.CancelledError:
        watch.stop()
        await asyncio.wait([delivering])
        await call_in_thread(partial(_call, watch.close, watch))
        raise


def _call(step: Callable[[], None], watch: DeliveryWatch) -> None:
    """Call a method of *watch*, and log its error, because other units run in this process."""
    try:
        step()
    except (OSError, StrongroomError) as error:
        kind, reason = type(error).__name__, describe_error(error)
    except Exception as error:  # noqa: BLE001 (as above)
        # Its message is withheld, because it may contain a value.
        kind, reason = type(error).__name__, "unexpected error; report it with this kind"
    else:
        return
    live = watch.target.live
    watch.log.write("delivery_failed", live=live, level="alarm", kind=kind, reason=reason)
