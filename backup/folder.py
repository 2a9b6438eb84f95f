"""Folder of backups, with its manifest."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from app_integration._internal import private_file
from app_integration._internal.input_file import read_input
from app_integration.errors import ConfigurationError
from backup.errors import BackupFailed, RestoreRefused
from backup.label import is_backup_name, read_label
from backup.manifest import Entry, Manifest, State, expire, settle
from backup.temporary_folder import remove_abandoned, temporary_folder
from vault import owned_folder
from vault.owned_folder import FolderKind

MANIFEST: Final = "manifest.json"
_LOCK: Final = ".manifest.lock"
_UNFINISHED: Final = ".unfinished-"
_MAX_MANIFEST: Final = 64 * 1024 * 1024  # bytes


def _is_earlier(_folder: Path, names: Collection[str]) -> bool:
    """Return whether there is a manifest's lock, or a manifest that was copied with its backups."""
    return _LOCK in names or (MANIFEST in names and any(map(is_backup_name, names)))


BACKUPS: Final = FolderKind("backups", "folder of backups", "--folder", _is_earlier)


class BackupFolder:
    """Folder *path*, in which each file with the name of a backup was verified."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise ConfigurationError(f"{path} is not a folder; create it first, with mode 0700")
        self.path = owned_folder.check(path, BACKUPS)

    def read(self) -> Manifest:
        """Return the manifest, which is empty if there is none."""
        try:
            return Manifest.from_json(read_input(self.path / MANIFEST, _MAX_MANIFEST))
        except FileNotFoundError:
            return Manifest()

    @contextmanager
    def unfinished(self) -> Iterator[Path]:
        """Create a folder for an unverified backup, and remove those of killed processes."""
        owned_folder.claim(self.path, BACKUPS)
        remove_abandoned(self.path, _UNFINISHED, (os.geteuid(),), lambda _path: None)
        with temporary_folder(self.path, _UNFINISHED) as folder:
            yield folder

    def add(self, verified: Path, entry: Entry, keep_after: datetime | None) -> list[str]:
        """Give a verified backup its name, and remove the old ones of the same service.

        Those that were created before *keep_after* are old, and their names are returned; None
        keeps all. The manifest is written before each step, so that a run after a kill knows what
        was done.
        """
        with private_file.lock(self.path / _LOCK):
            manifest = self._settle(self.read())
            self._check_unused(entry.file)
            self._write(manifest.with_entry(replace(entry, state=State.ADDING)))
            verified.rename(self.path / entry.file)
            private_file.fsync_folder(self.path)
            manifest = manifest.with_entry(entry)
            if keep_after is not None:
                manifest = expire(manifest, entry, keep_after, self._is_own)
            self._write(manifest)
            return self._remove(manifest)

    def register(self, entry: Entry) -> bool:
        """Add a backup that was verified again; return whether the manifest had no entry of it."""
        with private_file.lock(self.path / _LOCK):
            manifest = self.read()
            if entry.file in manifest.entries:
                return False
            self._write(manifest.with_entry(entry))
            return True

    def check(self, name: str) -> None:
        """Raise an error if a backup *name* could not be added."""
        self.read()
        self._check_unused(name)

    def _check_unused(self, name: str) -> None:
        if (self.path / name).exists():
            raise BackupFailed(f"{self.path / name} exists already; wait a second, and try again")

    def _settle(self, manifest: Manifest) -> Manifest:
        """Finish what a killed run has begun."""
        self._remove(manifest)
        return settle(manifest, self._is_present)

    def _remove(self, manifest: Manifest) -> list[str]:
        removed = [entry.file for entry in manifest.in_state(State.REMOVING) if self._is_own(entry)]
        for name in removed:
            (self.path / name).unlink(missing_ok=True)
        if removed:
            self._write(settle(manifest, self._is_present))
        return removed

    def _is_present(self, entry: Entry) -> bool:
        return (self.path / entry.file).exists()

    def _is_own(self, entry: Entry) -> bool:
        """Return whether the file of *entry* is missing, or is the backup that it describes."""
        path = self.path / entry.file
        if not path.exists():
            return True
        try:
            label = read_label(path)
        except (RestoreRefused, OSError):
            return False
        return path.is_file() and not path.is_symlink() and label.file_name == entry.file

    def _write(self, manifest: Manifest) -> None:
        private_file.write_private(self.path / MANIFEST, manifest.to_json())
