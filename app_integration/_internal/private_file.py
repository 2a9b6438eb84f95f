"""Files that are whole or not there at all, and who may write them: locks and stamps.

Private ones are readable by their owner only.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: What tells one state of a file from another: device, inode, size, times of change in ns.
Stamp = tuple[int, int, int, int, int]


def write_private(
    path: Path, content: str | bytes, *, owner: tuple[int, int] | None = None
) -> None:
    """Put *content* at *path*, mode 0600, replacing what was there in one step.

    The temporary file has one fixed name, so that a copy left by a crash is taken away by the next
    write. Two writers of one path need a lock of their own.

    Args:
        path: its folder must exist; a symlink at *path* itself is replaced, not followed.
        content: text is written as UTF-8.
        owner: user and group id of the file; by default whoever writes it.

    """
    data = content.encode() if isinstance(content, str) else content
    replace_file(path, data, mode=0o600, owner=owner)


def replace_file(
    path: Path, content: bytes, *, mode: int, owner: tuple[int, int] | None = None
) -> None:
    """Put *content* at *path* in one step, on disk; see :func:`write_private`.

    Args:
        path: as there.
        content: all of it.
        mode: permissions of the file, from its first byte on.
        owner: as there.

    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # first: who gives a file away may not change it any more
            if owner is not None:
                os.fchown(descriptor, *owner)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def lock(path: Path, *, folder: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold the exclusive lock of *path*: a *folder*, or a file that is made if it is not there.

    Raises:
        FileNotFoundError: If the folder is not there.
        BlockingIOError: If another process holds it, and *wait* is false.

    """
    flags = os.O_DIRECTORY | os.O_RDONLY if folder else os.O_CREAT | os.O_RDWR
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def stamp(path: Path) -> Stamp | None:
    """Return what tells the present state of *path* from others; None if it can't be read."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _sync_folder(folder: Path) -> None:
    """Make a rename in *folder* survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
