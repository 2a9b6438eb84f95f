"""Runs of the archive in a process that is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from app_integration._internal import private_file
from app_integration._internal.pending_file import PendingFile
from tests.support.models.audit_archive import SCOPE, file_cipher
from tests.support.processes import fork_server
from tests.support.processes.killed_steps import interrupt_at, kill
from vault.audit.archive import chain, segment_file
from vault.audit.archive import reload as reloading
from vault.audit.archive.archive_run import Archived, Archiver
from vault.audit.archive.chain import ChainFile
from vault.audit.archive.live_log import LiveLog
from vault.audit.archive.reload import Reopening
from vault.audit.archive.segment_file import SegmentWriter

#: Moment → the object and the attribute at whose call the process is killed, and which call it is.
#: There are two logs, so that most moments have one log archived and one not.
MOMENTS: Final[dict[str, tuple[Any, str, int]]] = {
    "first log renamed": (LiveLog, "rename", 2),
    "all renamed": (Reopening, "reopen", 1),
    "told to reload": (reloading, "is_reopened", 1),
    "reopened": (SegmentWriter, "write", 1),
    "file written": (segment_file, "_read_back", 1),
    "file read back": (PendingFile, "publish", 1),
    "file named": (ChainFile, "append", 1),
    "chain written, not durable": (chain, "fsync_folder", 1),
    "first log removed": (private_file, "fsync_folder", 1),
    "second file": (SegmentWriter, "write", 2),
    "second file named": (ChainFile, "append", 2),
}


def archive(folder: Path, logs: Sequence[Path], pid: int, moment: str | None = None) -> Archived:
    """Archive logs of the server."""
    if moment is not None:
        interrupt_at(*MOMENTS[moment], kill)
    key = file_cipher().new_file_key()
    return Archiver(
        folder,
        [LiveLog(path) for path in logs],
        lambda: SegmentWriter(SCOPE, key),
        Reopening(lambda: os.kill(pid, signal.SIGHUP)),
    ).run()


def start(*arguments: Any) -> BaseProcess:
    """Call :func:`archive` with *arguments* in a process of its own."""
    return fork_server.start(archive, *arguments)
