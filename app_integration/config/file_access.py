"""Access rights of a delivered file: private, or readable by the members of one declared group.

The user that writes a file and the user that reads it may differ, as with two containers that share
a volume. A group of their own lets one read what the other wrote.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from app_integration._internal.variables import read_reader_group
from app_integration.errors import ConfigRejected

_PRIVATE: Final = 0o600
_READABLE: Final = 0o640


@dataclass(frozen=True, slots=True)
class FileAccess:
    """Access rights that delivered files and their folders may have.

    *group* is the id of the group whose members may read a file; None if only its owner may.
    """

    group: int | None = None

    @classmethod
    def from_environment(cls) -> Self:
        """Return the rights that ``STRONGROOM_READER_GROUP`` declares."""
        return cls(read_reader_group(os.environ))

    def check_file(self, path: Path, found: os.stat_result) -> None:
        """Check the type, mode and owner of a file."""
        if not stat.S_ISREG(found.st_mode):
            raise ConfigRejected(f"{path} is not a regular file; name the file itself")
        is_shared = self.group is not None and found.st_gid == self.group
        allowed = _READABLE if is_shared else _PRIVATE
        mode = stat.S_IMODE(found.st_mode)
        if excess := mode & ~allowed:
            raise ConfigRejected(
                f"{path} has mode {mode:04o} ({excess:04o} too much); run chmod {allowed:04o}"
            )
        if found.st_uid in {os.geteuid(), 0}:
            return
        if not is_shared:
            raise ConfigRejected(
                f"{path} belongs to user {found.st_uid}; expected {os.geteuid()} or root"
            )
        self._check_shared_folder(path.parent)

    def file_mode(self, folder: Path) -> int:
        """Return the mode of a file that is written to *folder*."""
        found = folder.stat()
        mode = stat.S_IMODE(found.st_mode)
        if not mode & 0o077:
            return _PRIVATE
        if self.group is None:
            raise ConfigRejected(
                f"{folder} has mode {mode:04o}, so that other users can access it; run chmod 0700"
            )
        self._check_shared_folder(folder)
        if mode & 0o020 or found.st_uid not in {os.geteuid(), 0}:
            raise ConfigRejected(
                f"{folder} can be written by others than the delivery's user: chmod 2750, and give "
                "it to that user"
            )
        return _READABLE

    def _check_shared_folder(self, folder: Path) -> None:
        """Check that only members of the group may access *folder*, and its files get the group."""
        found = folder.stat()
        mode = stat.S_IMODE(found.st_mode)
        if found.st_gid != self.group or not mode & stat.S_ISGID or mode & 0o007:
            raise ConfigRejected(
                f"{folder} has mode {mode:04o} and the group {found.st_gid}; expected 2750 and the "
                f"group {self.group}, which STRONGROOM_READER_GROUP names: chgrp and chmod it"
            )
