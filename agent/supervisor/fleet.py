"""Units of a folder, which run until SIGTERM or SIGINT: one for each ``<name>/run.json``.

A unit that fails, or takes long to stop, holds up no other.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.supervisor.agent_unit import AgentUnit
from agent.supervisor.start_limit import StartLimit
from agent.supervisor.unit_file import UnitFile, find_unit_files
from app_integration._internal.event_log import EventLog
from app_integration._internal.private_file import Stamp

POLL_INTERVAL: Final = 1.0  # seconds between two checks of the folder


@dataclass(slots=True)
class _Member:
    """Unit of the fleet."""

    stamp: Stamp
    file: UnitFile
    task: asyncio.Task[None]


class Fleet:
    """Fleet of the units of one folder."""

    def __init__(self, folder: Path, run_unit: Callable[[UnitFile], Awaitable[None]]) -> None:
        """Store the arguments; start nothing."""
        self._folder = folder
        self._run_unit = run_unit
        self._members: dict[Path, _Member] = {}
        #: The last task of each unit. A unit's next task waits for it, so that no two agents of one
        #: unit run at the same time.
        self._tasks: dict[Path, asyncio.Task[None]] = {}
        self._log = EventLog()
        self._scan_failure: str | None = None

    async def run(self) -> None:
        """Keep the units running until cancelled; then stop them all at the same time."""
        try:
            while True:
                self.reconcile()
                await asyncio.sleep(POLL_INTERVAL)
        finally:
            await self._stop_all()

    def reconcile(self) -> None:
        """Start units whose file is new, replace those whose file changed, stop the others."""
        try:
            found = find_unit_files(self._folder)
        except OSError as error:
            self._report_scan_failure(error.strerror)
            return
        self._scan_failure = None
        for path in self._members.keys() - found.keys():
            _cancel(self._members.pop(path).task)
        for path, stamp in found.items():
            member = self._members.get(path)
            if member is None or member.stamp != stamp:
                self._load(path, stamp)
        self._tasks = {path: task for path, task in self._tasks.items() if not task.done()}

    def _load(self, path: Path, stamp: Stamp) -> None:
        """Start or replace the unit of *path*, unless its file has the same content as before."""
        file, member = UnitFile.read(path), self._members.get(path)
        if member is not None and member.file == file:
            member.stamp = stamp
            return
        if member is not None:
            _cancel(member.task)
        task = asyncio.create_task(self._run_after(self._tasks.get(path), file))
        self._tasks[path] = task
        self._members[path] = _Member(stamp, file, task)

    async def _run_after(self, previous: asyncio.Task[None] | None, file: UnitFile) -> None:
        """Run the unit once its *previous* task has ended. Log an error instead of raising it."""
        if previous is not None:
            await _wait_despite_cancellation(previous)
        try:
            await self._run_unit(file)
        except Exception as error:  # noqa: BLE001 (because other units run in this process)
            # Its message is withheld, because it may contain a value.
            self._log.write("unit_failed", unit=file.name, kind=type(error).__name__)

    async def _stop_all(self) -> None:
        for task in self._tasks.values():
            _cancel(task)
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    def _report_scan_failure(self, reason: str | None) -> None:
        """Log why the folder cannot be read, once. Its units keep running."""
        if reason != self._scan_failure:
            self._log.write("scan_failed", folder=self._folder, reason=reason)
        self._scan_failure = reason


def _cancel(task: asyncio.Task[None]) -> None:
    """Cancel *task* unless it was cancelled; a second time would interrupt its clean-up."""
    if not task.cancelling():
        task.cancel()


async def _wait_despite_cancellation(task: asyncio.Task[None]) -> None:
    """Wait until *task* has ended, and raise a cancellation of the caller only then."""
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def run_folder(folder: Path) -> None:
    """Run the units of *folder* until SIGTERM or SIGINT."""

    async def run() -> None:
        starts = StartLimit()
        await Fleet(folder, lambda file: AgentUnit(file, starts).run()).run()

    asyncio.run(_run_until_signal(run))
    EventLog().write("stopped")


def run_file(file: UnitFile) -> None:
    """Run the one unit of *file* until SIGTERM or SIGINT."""

    async def run() -> None:
        await AgentUnit(file, StartLimit()).run()

    asyncio.run(_run_until_signal(run))


async def _run_until_signal(run: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run the coroutine until a signal cancels it; a second one does not interrupt its clean-up."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running, stopping = asyncio.ensure_future(run()), asyncio.ensure_future(stop.wait())
    await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    running.cancel()
    await asyncio.wait([running])
    if not running.cancelled():
        running.result()
