"""Child processes of the supervisor: agents, and the commands that check an interpreter."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any, Final

from agent.supervisor.run_settings import RunSettings
from app_integration._internal.parent_death import parent_death_hook

STOP_TIMEOUT: Final = 10.0  # seconds for an agent to exit before it is killed


async def start_agent(settings: RunSettings, output: int) -> asyncio.subprocess.Process:
    """Start the agent. The caller ends it with :func:`terminate`."""
    command = [str(settings.program), "agent", f"-config={settings.agent_config}"]
    return await _start(command, settings, stdout=output, stderr=output)


async def run_command(
    command: Sequence[str], settings: RunSettings, seconds: float
) -> tuple[int | None, bytes]:
    """Run a command of the application's interpreter; return its exit code and its output."""
    # Errors are discarded, because a traceback from the application's model may contain a value.
    process = await _start(command, settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        # Not wait_for: in Python 3.11 it drops a cancellation if the command ends at the same
        # time, so that the supervisor would not stop.
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output


async def terminate(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Stop *process* by SIGTERM, or by SIGKILL if it is running *seconds* later."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _start(
    command: Sequence[str], settings: RunSettings, **options: Any
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        cwd=settings.working_directory,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        **options,
        preexec_fn=parent_death_hook(signal.SIGKILL),
    )


def environment(settings: RunSettings) -> dict[str, str]:
    """Return the environment variables of a child.

    HOME is a folder without a token helper.
    """
    return {
        "HOME": str(settings.agent_config.parent),
        "LANG": "C.UTF-8",
        "PATH": os.environ.get("PATH", os.defpath),
    }
