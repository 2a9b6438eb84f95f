"""Files that a person or another program provides: regular ones only, read up to a limit.

Opening a named pipe would wait for a writer, and a device such as ``/dev/zero`` never ends.
"""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO
from pathlib import Path
from typing import Final

#: Bytes of the largest file of settings, keys or credentials.
MAX_SIZE: Final = 1024 * 1024
#: Permissions that a private key may have at most, as ssh wants it.
_PRIVATE: Final = 0o700


class NotRegular(OSError):
    """A folder, a pipe or a device in place of a file."""

    def __init__(self, path: Path) -> None:
        reason = "a folder, a pipe or a device, not a regular file"
        super().__init__(errno.EINVAL, reason, str(path))


def open_input(path: Path, flags: int = os.O_RDONLY) -> FileIO:
    """Return the regular file *path*, opened without a buffer.

    Anything else raises NotRegular; a symlink is followed.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(path)
    return FileIO(descriptor, "rb" if flags == os.O_RDONLY else "r+b")


def read_input(path: Path, limit: int = MAX_SIZE, *, is_private: bool = False) -> bytes:
    """Return the content of the regular file *path*.

    *limit* is in bytes. Raises OSError if the file is larger, or *is_private* and other users may
    read it.
    """
    with open_input(path) as file:
        found = os.fstat(file.fileno())
        if is_private and (excess := stat.S_IMODE(found.st_mode) & ~_PRIVATE):
            mode = stat.S_IMODE(found.st_mode)
            raise _rejected(f"it has mode {mode:04o} ({excess:04o} too much): chmod 0600", path)
        if found.st_size > limit or len(data := file.read(limit + 1) or b"") > limit:
            raise _rejected(f"it has more than {limit} bytes", path)
    return data


def _rejected(reason: str, path: Path) -> OSError:
    return OSError(errno.EINVAL, reason, str(path))
