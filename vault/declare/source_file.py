"""Reader for one file of a declaration: a regular file inside its folder, of limited size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from app_integration._internal.input_file import NotRegular, open_input
from vault.declare.errors import FileError

#: Maximum size of a file in bytes, because parsing takes 4 s or more per megabyte. A file with
#: 1,500 secrets has 150 kB.
MAX_SIZE: Final = 256 * 1024


class UnreadableFile(Exception):
    """A file that must not be read; *reason* is a predicate, such as ``has 300000 bytes``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def at(self, file: str) -> FileError:
        """Return the reason as an error of *file*, a path as messages show it."""
        return FileError(file, 0, f"the file {self.reason}")


def find(folder: Path, name: str) -> Path | None:
    """Return the file *name* in *folder*, also if it is a broken link; None if there is none."""
    path = folder / name
    return path if path.exists() or path.is_symlink() else None


def read(path: Path, root: Path) -> bytes:
    """Return the content of *path*, which must be inside *root* after symbolic links are resolved.

    A link that leads out of *root* is not followed, because error messages could then show parts
    of a foreign file. The call never blocks: a named pipe is opened without blocking and rejected.
    """
    if not is_inside(path, root):
        raise UnreadableFile(f"is a link that leads out of {root.name}/ (expected the file itself)")
    try:
        with open_input(path) as file:
            if (size := os.fstat(file.fileno()).st_size) > MAX_SIZE:
                raise UnreadableFile(f"has {size} bytes (expected at most {MAX_SIZE})")
            return file.read(MAX_SIZE)
    except NotRegular:
        raise UnreadableFile(
            "is a folder, a pipe or a device (expected a regular text file)"
        ) from None


def is_inside(path: Path, root: Path) -> bool:
    """Return whether *path* is inside *root* after symbolic links are resolved."""
    return path.resolve().is_relative_to(root.resolve())
