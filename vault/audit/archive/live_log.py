"""Log that the server writes, and the files that it was renamed to.

Between the renaming and the server's next look at its configuration (SIGHUP), the server goes on
writing to the renamed file. So that file is read only when no process has it open for writing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import signal
import stat
import sys
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from pathlib import Path
from typing import Final

from app_integration._internal.private_file import fsync_folder
from app_integration.encryption.files.log_context import check_log_name
from app_integration.errors import ConfigurationError
from vault.audit.archive.entry import parse_stamp, render_stamp
from vault.audit.archive.errors import ArchiveFailed

_ENDING: Final = ".rotated"
_STAMP: Final = r"(\d{8}T\d{6}\.\d{6}Z)"


class Writers(Enum):
    """Processes that have a file open for writing."""

    NONE = auto()
    SOME = auto()
    #: The file system does not tell, or the file is another user's.
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class RotatedLog:
    """File that a log was renamed to."""

    path: Path
    rotated: datetime

    def writers(self) -> Writers:
        """Return whether a process has the file open for writing."""
        return find_writers(self.path)


@dataclass(frozen=True, slots=True)
class LiveLog:
    """Log at *path*, which a file device of the server writes."""

    path: Path

    @property
    def name(self) -> str:
        """Return its name in the archive: that of the file, without the suffix."""
        return check_log_name(self.path.stem)

    def has_lines(self) -> bool:
        """Return whether there is a log, and something in it."""
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(found.st_mode):
            raise ConfigurationError(f"{self.path} is no file; name a file of an audit device")
        return found.st_size > 0

    def rotated(self) -> list[RotatedLog]:
        """Return the files that it was renamed to, the oldest first.

        Another name of the log itself is removed: a killed run was about to give that back.
        """
        pattern = re.compile(re.escape(f"{self.path.name}.") + _STAMP + re.escape(_ENDING))
        matches = [(path, pattern.fullmatch(path.name)) for path in self.path.parent.iterdir()]
        found = [_parse_rotated(path, match[1]) for path, match in matches if match]
        for each in found:
            # A symlink to it is no further name of it.
            if self.path.exists() and os.path.samestat(each.path.lstat(), self.path.lstat()):
                each.path.unlink()
        return sorted((each for each in found if each.path.exists()), key=lambda each: each.rotated)

    def rename(self, now: datetime) -> RotatedLog:
        """Rename the log, so that the server creates another one when it is told to."""
        name = f"{self.path.name}.{render_stamp(now)}{_ENDING}"
        rotated = RotatedLog(self.path.with_name(name), now)
        if rotated.path.exists():
            raise ArchiveFailed(f"{rotated.path} exists; correct the clock, and run it again")
        self.path.rename(rotated.path)
        fsync_folder(self.path.parent)
        return rotated

    def give_back(self, rotated: RotatedLog) -> bool:
        """Give a renamed log its name back, if that is free; return whether it has it now.

        The server goes on writing to it: it has not opened another one.
        """
        try:
            os.link(rotated.path, self.path)
        except FileExistsError:
            return False
        rotated.path.unlink()
        fsync_folder(self.path.parent)
        return True


def _parse_rotated(path: Path, stamp: str) -> RotatedLog:
    """Return the renamed log *path*."""
    try:
        rotated = parse_stamp(stamp)
    except ValueError:
        raise ConfigurationError(f"{path}: {stamp} is no time; rename it") from None
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ConfigurationError(
            f"{path} is no file, although a renamed log has such a name; remove it"
        )
    return RotatedLog(path, rotated)


def find_writers(path: Path) -> Writers:
    """Return whether a process has the file *path* open for writing.

    The kernel grants a lease for reading only if none has.
    """
    if sys.platform != "linux":  # only Linux has leases
        return Writers.UNKNOWN
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        # If a writer opened it within the lease, SIGIO would end this process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return Writers.SOME if error.errno == errno.EAGAIN else Writers.UNKNOWN
    finally:
        os.close(descriptor)
    return Writers.NONE
