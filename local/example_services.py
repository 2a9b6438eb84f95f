"""Example services, run on the local deployment."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.supervisor.child_process import terminate
from app_integration._internal.parent_death import parent_death_hook
from app_integration.errors import ConfigurationError

if TYPE_CHECKING:
    from local.aws.deployment import LocalAwsDeployment
    from local.deployment import LocalDeployment


#: Service → its module.
MODULES: Final = {"gaara-store": "examples.gaara_store", "orders-mail": "examples.orders_mail"}
#: Variables of the shell that a Python process needs.
_FROM_SHELL: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
STOP_SECONDS: Final = 10.0  # from SIGTERM to SIGKILL


def run_examples(local: LocalDeployment | LocalAwsDeployment, server: str) -> int:
    """Run the example services that were started, until one exits or the user interrupts them.

    A service that a narrowed ``up`` left out has no credential and no config, and is not run.
    """
    common = {name: os.environ[name] for name in _FROM_SHELL if name in os.environ}
    common["STRONGROOM_STORE_PORT"] = str(local.ports.store)
    programs = [
        ForegroundProgram(
            (sys.executable, "-m", module), {**common, **local.services[service].variables()}
        )
        for service, module in MODULES.items()
        if local.layout.service_env(service).exists()
    ]
    if not programs:
        raise ConfigurationError(
            f"no example service was started; declare one of {', '.join(MODULES)} in dev, and "
            "run: strongroom up"
        )
    local.check_listeners(server, "database", "redis", "smtp")
    return run_together(programs)


@dataclass(frozen=True, slots=True)
class ForegroundProgram:
    """A program and its environment variables."""

    command: Sequence[str]
    variables: Mapping[str, str]


def run_together(programs: Sequence[ForegroundProgram]) -> int:
    """Run *programs* until one of them exits, or until SIGINT, SIGTERM or SIGHUP.

    The others get SIGTERM, and SIGKILL if they are running after 10 s. Returns the exit code of the
    first, or 0 after a signal.
    """
    return asyncio.run(_run(programs))


async def _run(programs: Sequence[ForegroundProgram]) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    # SIGHUP too, because the terminal's end must not leave the programs running.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    children: list[asyncio.subprocess.Process] = []
    try:
        for program in programs:
            children.append(await _start(program))  # noqa: PERF401 (all that started are ended)
        return await _wait_for_first(children, stopped)
    finally:
        await asyncio.gather(*(terminate(child, STOP_SECONDS) for child in children))


async def _start(program: ForegroundProgram) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *program.command,
        env=dict(program.variables),
        stdin=subprocess.DEVNULL,
        # Ctrl-C must reach this process only, which passes it on as SIGTERM.
        start_new_session=True,
        preexec_fn=parent_death_hook(signal.SIGKILL),
    )


async def _wait_for_first(
    children: Sequence[asyncio.subprocess.Process], stopped: asyncio.Event
) -> int:
    waits = [asyncio.ensure_future(child.wait()) for child in children]
    stop = asyncio.ensure_future(stopped.wait())
    done, pending = await asyncio.wait([*waits, stop], return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return next((wait.result() for wait in waits if wait in done), 0)
