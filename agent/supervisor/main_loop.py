"""Main loop of the supervisor: its units run in it until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path

from agent.supervisor.agent_unit import AgentUnit
from agent.supervisor.fleet import Fleet
from agent.supervisor.start_limit import StartLimit
from agent.supervisor.unit_file import UnitFile
from app_integration._internal.event_log import EventLog


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
