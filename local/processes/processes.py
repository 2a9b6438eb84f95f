"""Background processes, which a later command finds again and stops.

Each has a record ``run/<name>.json``. A process is identified by its pid and its start time, so
that no signal is sent to another process that got the same pid later.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, cast

import psutil

from app_integration._internal.private_file import write_private
from app_integration.errors import ConfigurationError, StrongroomError
from local.layout import Layout
from local.processes import children
from local.processes.process_group import ProcessGroup, is_alive, send_signal
from local.processes.program import Program, Record, Running
from local.runtime_interface import StartFailed

STOP_SECONDS: Final = 10.0  # from the stop signal to SIGKILL
KILL_SECONDS: Final = 5.0  # from SIGKILL to the end of the process
POLL_SECONDS: Final = 0.02
TAIL_LINES: Final = 20  # of the log, in an error
TAIL_BYTES: Final = 32 * 1024

#: Wait for a line on standard input, then exec the program, which keeps the pid. The line is sent
#: once the record is written, so that no process runs that a later command could not find. Core
#: dumps are disabled, because the memory of a server contains its keys.
_EXEC_AFTER_LINE: Final = (
    *("/bin/sh", "-c"),
    'ulimit -c 0; IFS= read -r line || exit 1; exec "$@" </dev/null',
    "sh",
)
#: Suffix of the record of a setup program, which exits before the server of that name is started.
_SETUP: Final = "-setup"
_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


class StopFailed(StrongroomError):
    """A process that is running after SIGKILL."""


def python_program(
    name: str, module: str, *arguments: str, folder: Path, ports: tuple[int, ...] = ()
) -> Program:
    """Return a program that runs a module of this project on the current Python."""
    return Program(
        name=name,
        command=(sys.executable, "-P", "-m", module, *arguments),
        folder=folder,
        environment={"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        ports=ports,
    )


class ProcessManager:
    """Background processes of one deployment.

    *clock* returns seconds of a monotonic clock, and *sleep* takes seconds.
    """

    def __init__(
        self,
        layout: Layout,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._layout = layout
        self._clock = clock
        self._sleep = sleep

    def start(self, program: Program) -> Running:
        """Start *program*, unless it is running.

        Processes that an earlier one of that name left behind are stopped first.
        """
        if running := self.find(program.name):
            return running
        self.stop(program.name)
        child, record = self._spawn(program, program.name)
        children.keep(child)
        return record.running(program.name)

    def run_and_wait(self, program: Program, timeout: float) -> None:
        """Run *program*, wait until it exits, and kill it after *timeout* seconds.

        If this process is killed before that, :meth:`stop` with the same name stops the program.
        """
        record = f"{program.name}{_SETUP}"
        child, _ = self._spawn(program, record)
        try:
            code = child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self.failure(program.name, f"not done after {timeout:.0f} s") from None
        finally:
            child.kill()
            child.wait()
            self._record(record).unlink(missing_ok=True)
        if code != 0:
            raise self.failure(program.name, f"exit code {code}")

    def find(self, name: str) -> Running | None:
        """Return the process *name*, or None if it is not running."""
        record = self._read(name)
        return record.running(name) if record and ProcessGroup(record).find_leader() else None

    def names(self) -> list[str]:
        """Return the names of all processes that were started and not stopped, even if dead."""
        stems = {path.stem.removesuffix(_SETUP) for path in self._layout.run.glob("*.json")}
        return sorted(stems)

    def stop(self, name: str, timeout: float = STOP_SECONDS) -> None:
        """Stop the process *name* and all its descendants, if any is running.

        Its process group gets the program's stop signal. What is left of them after *timeout*
        seconds is killed, also if the group's leader is dead.
        """
        self._stop(f"{name}{_SETUP}", timeout)
        self._stop(name, timeout)

    def _stop(self, name: str, timeout: float) -> None:
        record = self._read(name)
        if record is None:
            return
        group = ProcessGroup(record)
        members = group.find_running()
        for member in members:
            if group.contains(member.pid):
                send_signal(member, record.stop_signal)
        left = self._wait_for_exit(members, timeout)
        left = left or group.find_running()  # because the others may have started some since
        for member in left:
            send_signal(member, signal.SIGKILL)
        if stuck := self._wait_for_exit(left, KILL_SECONDS):
            pids = ", ".join(str(member.pid) for member in stuck)
            raise StopFailed(
                f"{name}: process {pids} does not exit after SIGKILL; find out what blocks it, "
                "or restart the machine"
            )
        self._record(name).unlink(missing_ok=True)

    def wait_until(self, running: Running, check: Callable[[], bool], timeout: float) -> None:
        """Wait until *check* returns True."""
        deadline = self._clock() + timeout
        while not check():
            if self.find(running.name) is None:
                raise self.failure(running.name, "it exited while starting")
            if self._clock() >= deadline:
                raise self.failure(running.name, f"not ready after {timeout:.0f} s")
            self._sleep(POLL_SECONDS)

    def wait_for_delivery(self, name: str, check: Callable[[], bool], timeout: float) -> None:
        """Wait until *check* returns True, which the running process *name* brings about."""
        running = self.find(name)
        if running is None:
            raise self.failure(name, "it has exited")
        self.wait_until(running, check, timeout)

    def failure(self, name: str, reason: str) -> StartFailed:
        """Return an error about the process *name*, with the end of its log."""
        return StartFailed(name, reason, self.log_tail(name))

    def log_tail(self, name: str) -> str:
        """Return the last lines that the process *name* printed."""
        path = self.log(name)
        if not path.exists():
            return ""
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = log.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-TAIL_LINES:])

    def log(self, name: str) -> Path:
        """Return the path of the log of the process *name*."""
        return self._layout.logs / f"{name}.log"

    def _spawn(self, program: Program, name: str) -> tuple[subprocess.Popen[bytes], Record]:
        """Start *program*, and write its record under *name*."""
        child = self._popen(program)
        record = Record.from_process(psutil.Process(child.pid), program)
        # If the record cannot be written, stdin is closed without a line, so the child exits.
        with cast(IO[bytes], child.stdin) as stdin:
            write_private(self._record(name), json.dumps(record.to_json()))
            stdin.write(b"\n")
        return child, record

    def _popen(self, program: Program) -> subprocess.Popen[bytes]:
        log = os.open(self.log(program.name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            return subprocess.Popen(
                (*_EXEC_AFTER_LINE, *program.command),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=program.folder,
                env={**_ENVIRONMENT, **program.environment},
                umask=0o077,
                start_new_session=True,
                **_user_options(program.user),
            )
        except OSError as error:
            reason = f"it cannot be executed ({error.strerror})"
            raise self.failure(program.name, reason) from None
        finally:
            os.close(log)

    def _record(self, name: str) -> Path:
        return self._layout.run / f"{name}.json"

    def _read(self, name: str) -> Record | None:
        path = self._record(name)
        if not path.exists():
            return None
        try:
            return Record.from_json(json.loads(path.read_text()))
        except (ValueError, KeyError, TypeError):
            raise ConfigurationError(
                f"{path} is damaged; stop the process {name} by hand and remove the file"
            ) from None

    def _wait_for_exit(self, members: list[psutil.Process], timeout: float) -> list[psutil.Process]:
        """Return those of *members* that are running after *timeout* seconds."""
        deadline = self._clock() + timeout
        while (left := [member for member in members if is_alive(member)]) and (
            self._clock() < deadline
        ):
            self._sleep(POLL_SECONDS)
        return left


def _user_options(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
