"""Background processes: started now, found again and ended by a later command.

Each has a record ``run/<name>.json``. A process is known by its pid together with the time it
started, so a pid that the system has given to someone else is never signalled.
"""

from __future__ import annotations

import atexit
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
from vault.runtime.layout import Layout
from vault.runtime.processes.program import Program, Record, Running
from vault.runtime.runtime import StartFailed

STOP_SECONDS: Final = 10.0  # from the polite signal to SIGKILL
KILL_SECONDS: Final = 5.0  # for the system to end a killed process
POLL_SECONDS: Final = 0.02
TAIL_LINES: Final = 20  # of the log, in an error
TAIL_BYTES: Final = 32 * 1024

#: exec's the program, so the pid stays, once it is told that its record is written: what nobody
#: could find again doesn't run. A memory image of a server would hold its keys: no core dumps.
_ONCE_TOLD: Final = (
    *("/bin/sh", "-c"),
    'ulimit -c 0; IFS= read -r told || exit 1; exec "$@" </dev/null',
    "sh",
)
#: Of a program that runs to its end before the one of that name is started.
_SETUP: Final = "-setup"
_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}

#: Children of this very Python process; they need reaping, and outlive the object that started
#: them: a Popen that is dropped while its process runs makes Python warn.
_children: dict[int, subprocess.Popen[bytes]] = {}


def _let_go() -> None:
    """What still runs outlives us on purpose; Python would warn of each as it ends."""
    for child in _children.values():
        if child.poll() is None:
            child.returncode = 0


atexit.register(_let_go)


class StopFailed(StrongroomError):
    """A process that even SIGKILL didn't end."""


def python_program(
    name: str, module: str, *arguments: str, folder: Path, ports: tuple[int, ...] = ()
) -> Program:
    """A module of this project as a background process of the Python that we run on."""
    return Program(
        name=name,
        command=(sys.executable, "-P", "-m", module, *arguments),
        folder=folder,
        environment={"PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        ports=ports,
    )


class Processes:
    """The background processes of one deployment."""

    def __init__(
        self,
        layout: Layout,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Args: *clock* and *sleep* in seconds."""
        self._layout = layout
        self._clock = clock
        self._sleep = sleep

    def start(self, program: Program) -> Running:
        """Start *program*, unless it runs already. What a dead one left behind is ended first.

        Raises:
            StartFailed: it can't be executed.

        """
        if running := self.find(program.name):
            return running
        self.stop(program.name)
        child, record = self._spawn(program, program.name)
        _children[child.pid] = child
        return record.running(program.name)

    def complete(self, program: Program, timeout: float) -> None:
        """Run *program* to its end, which it must reach within *timeout* seconds.

        If this process is killed meanwhile, :meth:`stop` of the same name ends it.

        Raises:
            StartFailed: it exits other than with 0, or not in time.

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
        """The process that runs under *name*, if one does."""
        record = self._read(name)
        return record.running(name) if record and _leader(record) else None

    def names(self) -> list[str]:
        """Everything that was started and not stopped, running or dead."""
        stems = {path.stem.removesuffix(_SETUP) for path in self._layout.run.glob("*.json")}
        return sorted(stems)

    def stop(self, name: str, timeout: float = STOP_SECONDS) -> None:
        """End *name* and everything that it started; nothing happens when nothing runs.

        Its process group gets the program's stop signal. What is left after *timeout* seconds, in
        the group or below it, is killed, also when the leader itself is dead.

        Raises:
            StopFailed: something survives SIGKILL.

        """
        self._stop(f"{name}{_SETUP}", timeout)
        self._stop(name, timeout)

    def _stop(self, name: str, timeout: float) -> None:
        record = self._read(name)
        if record is None:
            return
        members = _members(record)
        for member in members:
            if _in_group(member, record):
                _signal(member, record.stop_signal)
        left = self._wait_gone(members, timeout)
        left = left or _members(record)  # started while the others ended
        for member in left:
            _signal(member, signal.SIGKILL)
        if stuck := self._wait_gone(left, KILL_SECONDS):
            pids = ", ".join(str(member.pid) for member in stuck)
            raise StopFailed(f"{name}: process {pids} can't be ended, even with SIGKILL")
        self._record(name).unlink(missing_ok=True)

    def wait_until(self, running: Running, check: Callable[[], bool], timeout: float) -> None:
        """Return as soon as *check* says yes; *timeout* in seconds.

        Raises:
            StartFailed: the process ended, or the time is over.

        """
        deadline = self._clock() + timeout
        while not check():
            if self.find(running.name) is None:
                raise self.failure(running.name, "it ended while starting")
            if self._clock() >= deadline:
                raise self.failure(running.name, f"not ready after {timeout:.0f} s")
            self._sleep(POLL_SECONDS)

    def failure(self, name: str, reason: str) -> StartFailed:
        """The error for *name*, with the end of its log."""
        return StartFailed(name, reason, self.log_tail(name))

    def log_tail(self, name: str) -> str:
        """The last lines that *name* printed."""
        path = self.log(name)
        if not path.exists():
            return ""
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = log.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-TAIL_LINES:])

    def log(self, name: str) -> Path:
        """Where *name* prints."""
        return self._layout.logs / f"{name}.log"

    def _spawn(self, program: Program, name: str) -> tuple[subprocess.Popen[bytes], Record]:
        """Start *program* with its record under *name*."""
        child = self._popen(program)
        record = Record.of(psutil.Process(child.pid), program)
        # Closed without a word when the record can't be written: then it ends by itself.
        with cast(IO[bytes], child.stdin) as stdin:
            write_private(self._record(name), json.dumps(record.to_json()))
            stdin.write(b"\n")
        return child, record

    def _popen(self, program: Program) -> subprocess.Popen[bytes]:
        log = os.open(self.log(program.name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            return subprocess.Popen(
                (*_ONCE_TOLD, *program.command),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=program.folder,
                env={**_ENVIRONMENT, **program.environment},
                umask=0o077,
                start_new_session=True,
                **_identity(program.user),
            )
        except OSError as error:
            raise self.failure(program.name, f"can't be executed ({error.strerror})") from None
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
                f"{path} is damaged; end the process {name} by hand and remove the file"
            ) from None

    def _wait_gone(self, members: list[psutil.Process], timeout: float) -> list[psutil.Process]:
        deadline = self._clock() + timeout
        while (left := [member for member in members if _alive(member)]) and (
            self._clock() < deadline
        ):
            self._sleep(POLL_SECONDS)
        return left


def _identity(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _alive(process: psutil.Process) -> bool:
    try:
        alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        alive = False
    if not alive and (child := _children.pop(process.pid, None)):
        child.wait()
    return alive


def _leader(record: Record) -> psutil.Process | None:
    try:
        process = psutil.Process(record.pid)
        return process if record.is_of(process) and _alive(process) else None
    except psutil.NoSuchProcess:
        return None


def _members(record: Record) -> list[psutil.Process]:
    """All that *record* stands for: its process, that one's group, and their descendants.

    The kernel doesn't give a pid away while a group still goes by it. So when the pid belongs to
    someone else now, the group is gone; when nobody has it, whoever is in the group is ours.
    """
    members: dict[int, psutil.Process] = {}
    for process in _group(record):
        members[process.pid] = process
        try:
            members.update({child.pid: child for child in process.children(recursive=True)})
        except psutil.NoSuchProcess:
            continue
    return [process for process in members.values() if _alive(process)]


def _group(record: Record) -> list[psutil.Process]:
    try:
        if not record.is_of(psutil.Process(record.pid)):
            return []
    except psutil.NoSuchProcess:
        if psutil.boot_time() > record.created:
            return []
    return [process for process in psutil.process_iter() if _in_group(process, record)]


def _in_group(process: psutil.Process, record: Record) -> bool:
    try:
        return os.getpgid(process.pid) == record.pid
    except (ProcessLookupError, PermissionError):
        return False


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
