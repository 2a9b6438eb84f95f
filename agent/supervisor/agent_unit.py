"""A unit of the supervisor: one service's agent, which it keeps running.

An agent exits on an outage, a deleted secret or a failed login, and cannot start again with the
secret-id that it has used. So the unit starts it again after a backoff, which grows while starts
fail, and issues a new wrapped secret-id for each start unless the agent uses another method than
AppRole. It also delivers what the agent renders, see :mod:`.watched_files`.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from agent.supervisor.child_process import STOP_TIMEOUT, start_agent, terminate
from agent.supervisor.daemon_thread import call_in_thread
from agent.supervisor.interpreter import UnusableInterpreter, check_interpreter
from agent.supervisor.run_settings import RunSettings
from agent.supervisor.start_limit import LOGIN_SECONDS, StartLimit, StartSlot
from agent.supervisor.unit_file import UnitFile
from agent.supervisor.unit_state import RunState, StateRecorder
from agent.supervisor.watched_files import WatchedFiles
from app_integration._internal.backoff import backoff
from app_integration._internal.event_log import EventLog
from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.names import AGENT_ISSUED, APPROLE_MOUNT, ISSUED_KEY
from app_integration.permissions import need
from app_integration.session.from_settings import open_session
from app_integration.session.session import Session
from app_integration.settings import Settings

#: Metadata of each secret-id, and of the token of its login. The starter's policy allows no other.
METADATA: Final = f'{{"{ISSUED_KEY}":"{AGENT_ISSUED}"}}'


def issue_secret_id(
    session: Session, role: str, wrap_ttl: int, mounts: Mounts = DEFAULT_MOUNTS
) -> str:
    """Return a wrapping token that contains a new secret-id of the AppRole *role*.

    Within *wrap_ttl* seconds the token can be unwrapped once, and the secret-id can log in once.
    AccessDenied may also mean that *role* does not exist.
    """
    # The starter's policy requires both limits.
    body = {"num_uses": "1", "ttl": f"{wrap_ttl}s", "metadata": METADATA}
    response = session.post(need("issue-secret-id", role, mounts).path, body, wrap_ttl=wrap_ttl)
    return str(response["wrap_info"]["token"])


def issue_as_starter(starter: Settings, wrap_ttl: int) -> str:
    """Log in as *starter*, issue one wrapped secret-id for the role of its scope, and log out."""
    with open_session(starter) as session:
        # The agent's role is on the mount at which the starter logs in.
        mounts = Mounts(approle=starter.auth.mount or APPROLE_MOUNT)
        return issue_secret_id(session, str(starter.scope), wrap_ttl, mounts)


MAX_LINE: Final = 64 * 1024  # bytes, after which a line is split
_DRAIN_SECONDS: Final = 1.0  # for the last lines of an agent that has ended


class LineCopier(asyncio.Protocol):
    """Copier of lines that arrive in parts."""

    def __init__(self, name: str, write: Callable[[bytes], object]) -> None:
        """Write *name* before each line; *write* takes whole lines."""
        self._prefix = f"{name}: ".encode()
        self._write = write
        self._rest = b""
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Write the lines that *data* completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            lines, self._rest = [*lines, self._rest], b""
        if lines:
            self._write(b"".join(self._prefix + line + b"\n" for line in lines))

    def connection_lost(self, _error: Exception | None) -> None:
        """Write a last line without its end."""
        if self._rest:
            self._write(self._prefix + self._rest + b"\n")
        self.closed.set()


@asynccontextmanager
async def copy_output(name: str) -> AsyncIterator[int]:
    """Yield a file descriptor for the output of the agent of unit *name*."""
    copier = LineCopier(name, _write)
    reads, writes = os.pipe()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: copier, os.fdopen(reads, "rb"))
    try:
        yield writes
    finally:
        os.close(writes)
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await copier.closed.wait()
        except TimeoutError:  # another process has the descriptor
            transport.close()


def _write(lines: bytes) -> None:
    sys.stderr.buffer.write(lines)
    sys.stderr.flush()


HEALTHY_AFTER: Final = 60.0  # seconds after which a running agent's earlier failures don't count
DELIVERED_INTERVAL: Final = 0.1  # seconds between two checks for the end of a start


def count_failure(failures: int, ran: float) -> int:
    """Return the number of consecutive failures after an agent has exited."""
    return 1 if ran >= HEALTHY_AFTER else failures + 1


class AgentUnit:
    """Unit that runs on one version of its configuration."""

    def __init__(
        self,
        file: UnitFile,
        starts: StartLimit,
        *,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store the configuration; start nothing."""
        self._file = file
        self._starts = starts
        self._jitter = jitter
        self._clock = clock
        self._log = EventLog(file.name)
        self._state = StateRecorder(file.folder, file.generation, file.digest)

    async def run(self) -> None:
        """Run the agent, and restart it whenever it exits, until cancelled."""
        try:
            try:
                settings = self._file.parse()
            except ConfigurationError as error:
                await self._fail(str(error))
            else:
                await self._run_on(settings)
        finally:
            self._record_stop()

    async def _fail(self, reason: str) -> None:
        """Report an invalid configuration, and wait for its end."""
        self._log.write("refused", reason=reason)
        self._record(RunState.FAILED, reason=reason)
        await asyncio.get_running_loop().create_future()

    async def _run_on(self, settings: RunSettings) -> None:
        files = WatchedFiles(settings, self._log, clock=self._clock, jitter=self._jitter)
        await files.prepare()
        self._discard_earlier_results(files)
        try:
            await self._keep_running(settings, files)
        finally:
            await files.stop()

    def _discard_earlier_results(self, files: WatchedFiles) -> None:
        """Delete the results of an earlier configuration, before the state has this generation.

        Otherwise a reader would take them for the results of this one.
        """
        try:
            if self._state.is_changed():
                files.discard_results()
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}"
            self._log.write("discard_failed", reason=reason)

    async def _keep_running(self, settings: RunSettings, files: WatchedFiles) -> None:
        failures, reason = 0, None
        while True:
            self._record(RunState.STARTING, reason=reason)
            slot = await self._starts.acquire()
            started = self._clock()
            try:
                state, reason = await self._start_and_wait(settings, files, slot)
            finally:
                slot.release()
            failures = count_failure(failures, self._clock() - started)
            wait = backoff(failures, self._jitter())
            self._record(state, reason=reason)
            self._log.write("restarting", failures=failures, pause_seconds=round(wait, 1))
            await asyncio.sleep(wait)

    async def _start_and_wait(
        self, settings: RunSettings, files: WatchedFiles, slot: StartSlot
    ) -> tuple[RunState, str]:
        """Start the agent, and wait until it exits."""
        try:
            if settings.deliveries:
                await check_interpreter(settings)
            files.start()
            try:
                await _write_secret_id(settings, slot)
                return RunState.WAITING, await self._run_agent(settings, files, slot)
            finally:
                settings.secret_id_file.unlink(missing_ok=True)
        except UnusableInterpreter as error:
            self._start_failed(error, str(error))
            return RunState.BLOCKED, str(error)
        except StrongroomError as error:
            return RunState.WAITING, self._start_failed(error, str(error))
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}"
            return RunState.WAITING, self._start_failed(error, reason, "OSError")
        except Exception as error:  # noqa: BLE001 (because other units run in this process)
            # Its message is withheld, because it may contain a value.
            reason = "unexpected error; report it with this kind"
            return RunState.WAITING, self._start_failed(error, reason)

    def _start_failed(self, error: Exception, reason: str, kind: str | None = None) -> str:
        kind = kind or type(error).__name__
        self._log.write("start_failed", kind=kind, reason=reason)
        return f"the start failed: {kind}: {reason}"

    async def _run_agent(self, settings: RunSettings, files: WatchedFiles, slot: StartSlot) -> str:
        async with copy_output(self._file.name) as output:
            agent = await start_agent(settings, output)
            self._log.write("agent_started", pid=agent.pid)
            self._record(RunState.RUNNING, pid=agent.pid)
            watching = asyncio.create_task(_release_when_delivered(files, slot))
            try:
                code = await agent.wait()
            finally:
                watching.cancel()
                await terminate(agent, STOP_TIMEOUT)
                self._log.write("agent_ended", pid=agent.pid, code=agent.returncode)
        return f"the agent exited with code {code}; read the supervisor's log"

    def _record_stop(self) -> None:
        if self._file.path.exists():
            self._record(RunState.STOPPED)
        elif self._file.folder.exists():
            self._state.forget()
            self._record(RunState.STOPPED, reason="run.json was removed")
        self._log.write("stopped")

    def _record(
        self, state: RunState, *, pid: int | None = None, reason: str | None = None
    ) -> None:
        try:
            self._state.write(state, pid=pid, reason=reason)
        except OSError as error:
            # Not raised, because an agent that runs is worth more than its state.
            self._log.write("state_failed", state=state, reason=error.strerror)


async def _write_secret_id(settings: RunSettings, slot: StartSlot) -> None:
    if settings.starter.role_id_file is not None:
        issue = partial(issue_as_starter, settings.starter, settings.wrap_ttl)
        with slot.limit(LOGIN_SECONDS):
            # Until its deadline, if the server does not respond.
            secret_id = await call_in_thread(issue)
        write_private(settings.secret_id_file, secret_id)


async def _release_when_delivered(files: WatchedFiles, slot: StartSlot) -> None:
    # A slot releases itself after a while, and then nothing waits for the results.
    while not slot.is_released and not files.has_results():  # noqa: ASYNC110 (files)
        await asyncio.sleep(DELIVERED_INTERVAL)
    slot.release()
