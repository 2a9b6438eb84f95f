"""Supervisor that keeps the agent running: ``python -m agent.supervisor --config FILE``.

An agent exits on an outage, a deleted secret or a failed login, and cannot start again with the
secret-id that it has used. So the supervisor starts it again after a backoff, which grows while
starts fail, and issues a new wrapped secret-id for each start unless the agent uses another method
than AppRole. It also delivers rendered files again that are not live, until each is live or was
rejected for good. It writes one line of JSON per event to standard error, beside the agent's own
log. No line contains a secret.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from agent.backoff import backoff
from agent.config_file import EXEC_TIMEOUT, Delivery
from agent.redelivery import Redelivery
from agent.run_settings import RunSettings
from agent.secret_id import issue_as_starter
from app_integration._internal.cli import ArgumentParser
from app_integration._internal.private_file import stamp, write_private
from app_integration.config.deliver import read_status
from app_integration.errors import ConfigurationError, StrongroomError

HEALTHY_AFTER = 60.0  # seconds after which a running agent's earlier failures no longer count
POLL_INTERVAL = 1.0  # seconds between two checks for rendered files that are not live
STOP_TIMEOUT = 10.0  # seconds for an agent to exit before it is killed

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def count_failure(failures: int, ran: float) -> int:
    """Return the number of consecutive failures after an agent has exited.

    Args:
        failures: The number before.
        ran: Seconds for which the agent ran.

    """
    return 1 if ran >= HEALTHY_AFTER else failures + 1


def log(event: str, **fields: object) -> None:
    """Write one event to standard error as a line of JSON."""
    when = datetime.now(tz=UTC).isoformat(timespec="milliseconds")
    line = json.dumps({"time": when, "event": event, **fields}, default=str)
    print(line, file=sys.stderr, flush=True)  # noqa: T201 (the supervisor's log)


class Supervisor:
    """Supervisor of one agent process."""

    def __init__(
        self,
        settings: RunSettings,
        *,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store the settings; start nothing.

        Args:
            settings: The configuration.
            jitter: Returns random numbers in [0, 1).
            clock: Returns monotonic seconds.

        """
        self._settings = settings
        self._jitter = jitter
        self._clock = clock
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Run the agent, and restart it whenever it exits, until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        redelivering = asyncio.create_task(self._redeliver())
        try:
            await self._keep_running()
        finally:
            redelivering.cancel()
            await asyncio.gather(redelivering, return_exceptions=True)
        log("stopped")

    async def _keep_running(self) -> None:
        failures = 0
        while not self._stop.is_set():
            started = self._clock()
            await self._start_and_wait()
            if not self._stop.is_set():
                failures = count_failure(failures, self._clock() - started)
                wait = backoff(failures, self._jitter())
                log("restarting", failures=failures, pause_seconds=round(wait, 1))
                await self._wait_unless_stopped(asyncio.sleep(wait))

    async def _redeliver(self) -> None:
        """Deliver the rendered files that are not live, each when it is due."""
        schedules = [(each, Redelivery(EXEC_TIMEOUT + 1)) for each in self._settings.deliveries]
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            for delivery, redelivery in schedules:
                staged, status = stamp(delivery.staging), read_status(delivery.live)
                if redelivery.is_due(staged, status, self._clock()):
                    await self._deliver(delivery)
                    redelivery.record_attempt(self._clock(), self._jitter())

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            await deliver(delivery, self._settings)
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}"
            log("reconcile_failed", live=delivery.live, reason=reason)

    async def _start_and_wait(self) -> None:
        """Start the agent and wait until it exits. Log a failed start instead of raising it."""
        try:
            await deliver_staged(self._settings)
            if self._settings.starter.role_id_file is not None:
                secret_id = await asyncio.to_thread(
                    issue_as_starter, self._settings.starter, self._settings.wrap_ttl
                )
                write_private(self._settings.secret_id_file, secret_id)
            if not self._stop.is_set():
                await self._run_agent()
        except StrongroomError as error:
            log("start_failed", kind=type(error).__name__, reason=str(error))
        except OSError as error:
            log("start_failed", kind="OSError", reason=f"{error.filename}: {error.strerror}")
        finally:
            self._settings.secret_id_file.unlink(missing_ok=True)

    async def _run_agent(self) -> None:
        settings = self._settings
        agent = await asyncio.create_subprocess_exec(
            settings.program,
            "agent",
            f"-config={settings.agent_config}",
            cwd=settings.working_directory,
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            preexec_fn=_parent_death_hook(),
        )
        log("agent_started", pid=agent.pid)
        await self._wait_unless_stopped(agent.wait())
        if agent.returncode is None:
            await _terminate(agent)
        log("agent_ended", pid=agent.pid, code=agent.returncode)

    async def _wait_unless_stopped(self, event: Awaitable[object]) -> None:
        """Wait until *event* is done or a signal requests the stop."""
        tasks = [asyncio.ensure_future(event), asyncio.ensure_future(self._stop.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def deliver_staged(settings: RunSettings) -> None:
    """Deliver the files that an earlier agent rendered, and create the staging folders.

    A crash between the rendering and the delivery of a file leaves it undelivered.

    Raises:
        OSError: If a staging folder cannot be created or the interpreter cannot be started.

    """
    for delivery in settings.deliveries:
        delivery.staging.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if delivery.staging.exists():
            await deliver(delivery, settings)


async def deliver(delivery: Delivery, settings: RunSettings) -> None:
    """Run the agent's delivery command once, and log the result as an event.

    Raises:
        OSError: If the interpreter cannot be started.

    """
    process = await asyncio.create_subprocess_exec(
        *delivery.command(settings.python),
        cwd=settings.working_directory,
        env=_environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # Discarded, because a traceback from the application's model may contain a value.
        stderr=subprocess.DEVNULL,
        preexec_fn=_parent_death_hook(),
    )
    try:
        # Not wait_for: in Python 3.11 it drops a cancellation if the command ends at the same time,
        # so that the supervisor would not stop.
        async with asyncio.timeout(EXEC_TIMEOUT):
            out, _ = await process.communicate()
    except TimeoutError:
        log("reconcile_failed", live=delivery.live, reason=f"took more than {EXEC_TIMEOUT} s")
        return
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    outcome = out.decode(errors="replace").strip()
    log("reconciled", live=delivery.live, code=process.returncode, outcome=outcome)


def _environment(settings: RunSettings) -> dict[str, str]:
    """Return the environment variables of the agent and of ``deliver``.

    HOME is a folder without a token helper.
    """
    return {
        "HOME": str(settings.agent_config.parent),
        "LANG": "C.UTF-8",
        "PATH": os.environ.get("PATH", os.defpath),
    }


def _parent_death_hook() -> Callable[[], None] | None:
    """Return a ``preexec_fn`` that has the child killed when this process dies.

    Returns:
        None on platforms other than Linux.

    """
    if sys.platform != "linux":
        return None
    parent, libc = os.getpid(), ctypes.CDLL(None)

    def set_death_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)

    return set_death_signal


async def _terminate(agent: asyncio.subprocess.Process) -> None:
    agent.terminate()
    try:
        await asyncio.wait_for(agent.wait(), STOP_TIMEOUT)
    except TimeoutError:
        agent.kill()
        await agent.wait()


def main(arguments: Sequence[str]) -> int:
    """Run the supervisor until SIGTERM or SIGINT.

    Returns:
        The exit code: 0, or 1 if the configuration is invalid.

    """
    parser = ArgumentParser(
        prog="python -m agent.supervisor", description="Keep the agent running."
    )
    parser.add_argument("--config", type=Path, required=True, help="JSON; see RunSettings")
    options = parser.parse_args(arguments)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would contain secrets
    try:
        settings = RunSettings.from_file(options.config)
    except ConfigurationError as error:
        log("refused", reason=str(error))
        return 1
    asyncio.run(Supervisor(settings).run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
