"""The bytes of one declared file: a regular file of the declaration's folder, of bounded size."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from vault.declare.faults import FileError

#: Bytes of one file. The parser takes 4 s and more a megabyte; 1,500 secrets are 150 kB.
MAX_SIZE: Final = 256 * 1024


class NotUsable(Exception):
    """A file that is not read; ``reason`` is a predicate about it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def at(self, file: str) -> FileError:
        """Return the error of *file*, as messages name it."""
        return FileError(file, 0, f"the file {self.reason}")


def read(path: Path, root: Path) -> bytes:
    """Return the content of *path*, which has to lie below *root*, links followed.

    A link that leads out of *root* is not read, because a message repeats lines of what is wrong.
    Nothing is waited for: a named pipe is opened without blocking, and rejected.

    Raises:
        NotUsable: If *path* is no regular file, leads out of *root*, or is too large.
        OSError: If it cannot be read.

    """
    if not is_inside(path, root):
        raise NotUsable(f"is a link that leads out of {root.name}/ (expected the file itself)")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NotUsable("is no regular file, such as a folder or a pipe (expected a text file)")
        if found.st_size > MAX_SIZE:
            raise NotUsable(f"has {found.st_size} bytes (expected at most {MAX_SIZE})")
        return file.read(MAX_SIZE)


def is_inside(path: Path, root: Path) -> bool:
    """Return whether *path* lies below *root* once links are followed."""
    return path.resolve().is_relative_to(root.resolve())
