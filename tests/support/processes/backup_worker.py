"""Backups and restores in a process that is killed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

from app_integration._internal import private_file
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.names import Environment, Scope
from backup import backup, programs, scratch
from backup.folder import BackupFolder
from backup.inventory import Inventory
from backup.label import read_label
from backup.login import read_url_file
from backup.restore import Backup, Restored
from backup.source import Source, autocommit
from tests.support.models.cipher_parts import KeyService
from tests.support.processes.killed_steps import interrupt_at, kill
from vault.progress import no_progress

SCOPE: Final = Scope("parcel-api", Environment.DEV)
#: Moment → the object and the attribute at whose call the process is killed, and which call it is.
BACKUP_MOMENTS: Final[dict[str, tuple[Any, str, int]]] = {
    "dump": (programs, "dump", 1),
    "start of the server": (scratch, "_wait_until_ready", 1),
    "restore": (programs, "restore", 1),
    "comparison": (Inventory, "read", 2),
    "name": (Path, "rename", 1),
    # The first call is for the entry in the state "adding".
    "manifest": (private_file, "fsync_folder", 2),
    # Each private file that is written unlinks a temporary file first.
    "removal": (Path, "unlink", 3),
    "end of the removal": (Path, "unlink", 4),
}
#: Moments after the verification. It is left out there, because it takes most of the time.
_VERIFIED: Final = frozenset({"name", "manifest", "removal", "end of the removal"})
RESTORE_MOMENTS: Final[dict[str, tuple[Any, str, int]]] = {
    "restore": (programs, "restore", 2),
    "comparison": (Inventory, "read", 2),
}


def file_cipher() -> FileCipher:
    """Return a cipher with the same key in every process."""
    return FileCipher(lambda _key: KeyService(bytes(32)), SCOPE)


def back_up(url_file: Path, folder: Path, now: datetime, moment: str | None = None) -> None:
    """Back up the database of a URL, and remove backups of the day before."""
    if moment is not None:
        interrupt_at(*BACKUP_MOMENTS[moment], kill)
    if moment in _VERIFIED:
        Backup.drill = trust  # type: ignore[method-assign] # only in this process
    login = read_url_file(url_file)

    @contextmanager
    def connect() -> Iterator[psycopg.Connection]:
        with login.connect() as connection, autocommit(connection):
            yield connection

    backup.back_up(
        Source(login.database, connect),
        SCOPE,
        file_cipher(),
        BackupFolder(folder),
        keep=timedelta(hours=1),
        progress=no_progress,
        now=lambda: now,
    )


def restore_into(url_file: Path, file: Path, moment: str | None = None) -> None:
    """Restore a backup into the empty database of a URL. See :func:`back_up`."""
    if moment is not None:
        interrupt_at(*RESTORE_MOMENTS[moment], kill)
    Backup(file, read_label(file), file_cipher(), no_progress).restore_into(read_url_file(url_file))


def trust(self: Backup) -> Restored:
    """Return the facts of a backup, in place of its drill."""
    facts, _entries = self._read_contents()
    return Restored(self._label, facts, 0.0)


def abandoned_folders() -> list[Path]:
    """Return the folders of scratch servers whose command has ended. It has removed none of them.

    Another run of these tests may use others.
    """
    found = Path(tempfile.gettempdir()).glob(f"{scratch.PREFIX}*")
    return [path for path in found if _is_abandoned(path)]


def _is_abandoned(path: Path) -> bool:
    try:
        with private_file.lock(path, folder=True, wait=False):
            return True
    except OSError:  # it is locked, or was removed meanwhile
        return False


def abandoned_processes() -> list[int]:
    """Return the processes that run in such a folder."""
    folders, found = {str(path) for path in abandoned_folders()}, []
    for process in psutil.process_iter():
        try:
            if any(process.cwd().startswith(folder) for folder in folders):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def at(minute: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
