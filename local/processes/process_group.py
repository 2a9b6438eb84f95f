"""Process group of a background process: its running members, and signals to them."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

import psutil

from local.processes import children
from local.processes.program import Record


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """Process group whose leader is the recorded process."""

    record: Record

    def find_leader(self) -> psutil.Process | None:
        """Return the recorded process, or None if it is not running."""
        try:
            process = psutil.Process(self.record.pid)
            return process if self.record.matches(process) and is_alive(process) else None
        except psutil.NoSuchProcess:
            return None

    def contains(self, pid: int) -> bool:
        """Return whether a process is in the group, and not only a descendant of a member."""
        try:
            return os.getpgid(pid) == self.record.pid
        except (ProcessLookupError, PermissionError):
            return False

    def find_running(self) -> list[psutil.Process]:
        """Return the running processes of the group, and all their running descendants."""
        found: dict[int, psutil.Process] = {}
        for process in self._processes():
            found[process.pid] = process
            try:
                found.update({child.pid: child for child in process.children(recursive=True)})
            except psutil.NoSuchProcess:
                continue
        return [process for process in found.values() if is_alive(process)]

    def _processes(self) -> list[psutil.Process]:
        """Return the processes of the group, without descendants in other groups.

        The kernel does not reuse a pid while a process group has it as its id. So if another
        process has the pid now, the group has ended. If no process has it, the members were
        started by the recorded process.
        """
        try:
            if not self.record.matches(psutil.Process(self.record.pid)):
                return []
        except psutil.NoSuchProcess:
            if psutil.boot_time() > self.record.created:
                return []
        found = []
        # Not process_iter(), whose cache may have an ended process with the pid of a new one.
        for pid in filter(self.contains, psutil.pids()):
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
        return found


def is_alive(process: psutil.Process) -> bool:
    """Return whether *process* is running, and reap it if it is a dead child of this process."""
    try:
        alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        alive = False
    if not alive:
        children.reap(process.pid)
    return alive


def send_signal(process: psutil.Process, number: int) -> None:
    """Send the signal *number* to *process*, unless it has exited."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
