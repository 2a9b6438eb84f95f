"""Keeps the agent running: ``python -m agent.supervisor --config FILE``.

An agent ends itself on an outage, a deleted secret or a failed login, and it can't start again
with the secret-id that it used. So each start gets a fresh, wrapped one, unless the agent logs in
by what its machine has, after a pause that grows while starts fail. Beside that, what was rendered
and isn't live is delivered again until it is, or is refused for good. One line of JSON per event
goes to standard error, beside the agent's own log; no line holds a secret.
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

HEALTHY_AFTER = 60.0  # seconds an agent runs until its earlier failures are forgotten
LOOK_EVERY = 1.0  # seconds between two looks at what was rendered
STOP_TIMEOUT = 10.0  # seconds an agent has to end before it is killed

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def count_failure(failures: int, ran: float) -> int:
    """Failures in a row, now that an agent ended which ran for *ran* seconds."""
    return 1 if ran >= HEALTHY_AFTER else failures + 1


def log(event: str, **fields: object) -> None:
    """Write one event as a line of JSON."""
    when = datetime.now(tz=UTC).isoformat(timespec="milliseconds")
    line = json.dumps({"time": when, "event": event, **fields}, default=str)
    print(line, file=sys.stderr, flush=True)  # noqa: T201 (the supervisor's log)


class Supervisor:
    """Runs one agent at a time until it is told to stop."""

    def __init__(
        self,
        settings: RunSettings,
        *,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: *chance* gives numbers in [0, 1); *clock* seconds, monotonic."""
        self._settings = settings
        self._chance = chance
        self._clock = clock
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Start the agent again and again; returns after SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        following = asyncio.create_task(self._follow())
        try:
            await self._keep_running()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        log("stopped")

    async def _keep_running(self) -> None:
        failures = 0
        while not self._stop.is_set():
            began = self._clock()
            await self._attempt()
            if not self._stop.is_set():
                failures = count_failure(failures, self._clock() - began)
                pause = backoff(failures, self._chance())
                log("restarting", failures=failures, pause_seconds=round(pause, 1))
                await self._unless_stopped(asyncio.sleep(pause))

    async def _follow(self) -> None:
        """Deliver again what was rendered and isn't live, when that is due."""
        followed = [(each, Redelivery(EXEC_TIMEOUT + 1)) for each in self._settings.deliveries]
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for delivery, redelivery in followed:
                staged, status = stamp(delivery.staging), read_status(delivery.live)
                if redelivery.due(staged, status, self._clock()):
                    await self._deliver(delivery)
                    redelivery.tried(self._clock(), self._chance())

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            await deliver(delivery, self._settings)
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}"
            log("reconcile_failed", live=delivery.live, reason=reason)

    async def _attempt(self) -> None:
        """One life of the agent; a start that fails is an event, not an exception."""
        try:
            await reconcile(self._settings)
            if self._settings.starter.role_id_file is not None:
                secret_id = await asyncio.to_thread(
                    issue_as_starter, self._settings.starter, self._settings.wrap_ttl
                )
                write_private(self._settings.secret_id_file, secret_id)
            if not self._stop.is_set():
                await self._live()
        except StrongroomError as error:
            log("start_failed", kind=type(error).__name__, reason=str(error))
        except OSError as error:
            log("start_failed", kind="OSError", reason=f"{error.filename}: {error.strerror}")
        finally:
            self._settings.secret_id_file.unlink(missing_ok=True)

    async def _live(self) -> None:
        settings = self._settings
        agent = await asyncio.create_subprocess_exec(
            settings.program,
            "agent",
            f"-config={settings.agent_config}",
            cwd=settings.working_directory,
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            preexec_fn=_die_with_parent(),
        )
        log("agent_started", pid=agent.pid)
        await self._unless_stopped(agent.wait())
        if agent.returncode is None:
            await _end(agent)
        log("agent_ended", pid=agent.pid, code=agent.returncode)

    async def _unless_stopped(self, event: Awaitable[object]) -> None:
        """Wait for *event*, or for the order to stop."""
        tasks = [asyncio.ensure_future(event), asyncio.ensure_future(self._stop.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def reconcile(settings: RunSettings) -> None:
    """Deliver what an agent rendered and nobody delivered, as after a crash between the two.

    Raises:
        OSError: a staging folder can't be made, or the interpreter can't be started.

    """
    for delivery in settings.deliveries:
        delivery.staging.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if delivery.staging.exists():
            await deliver(delivery, settings)


async def deliver(delivery: Delivery, settings: RunSettings) -> None:
    """Run the agent's own command once more; how it went is an event.

    Raises:
        OSError: the interpreter can't be started.

    """
    process = await asyncio.create_subprocess_exec(
        *delivery.command(settings.python),
        cwd=settings.working_directory,
        env=_environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # A Python traceback at worst, and the model's code is not ours.
        stderr=subprocess.DEVNULL,
        preexec_fn=_die_with_parent(),
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), EXEC_TIMEOUT)
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
    """All that the agent, and with it ``deliver``, inherits. HOME holds no token helper."""
    return {
        "HOME": str(settings.agent_config.parent),
        "LANG": "C.UTF-8",
        "PATH": os.environ.get("PATH", os.defpath),
    }


def _die_with_parent() -> Callable[[], None] | None:
    """What the child does before it becomes the agent, where the platform can do it."""
    if sys.platform != "linux":
        return None
    parent, libc = os.getpid(), ctypes.CDLL(None)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above took effect
            os._exit(1)

    return arrange


async def _end(agent: asyncio.subprocess.Process) -> None:
    agent.terminate()
    try:
        await asyncio.wait_for(agent.wait(), STOP_TIMEOUT)
    except TimeoutError:
        agent.kill()
        await agent.wait()


def main(arguments: Sequence[str]) -> int:
    """Supervise until SIGTERM; gives 0, or 1 when the configuration is wrong."""
    parser = ArgumentParser(
        prog="python -m agent.supervisor", description="Keep the agent running."
    )
    parser.add_argument("--config", type=Path, required=True, help="JSON; see RunSettings")
    options = parser.parse_args(arguments)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold secrets
    try:
        settings = RunSettings.from_file(options.config)
    except ConfigurationError as error:
        log("refused", reason=str(error))
        return 1
    asyncio.run(Supervisor(settings).run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
