"""Atomic writes of files, locks and file stamps.

Readers see a file completely written or not at all. A private file is readable by its owner only.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Identity of one state of a file: device, inode, size, mtime and ctime, both in nanoseconds.
Stamp = tuple[int, int, int, int, int]


def write_private(
    path: Path, content: str | bytes, *, owner: tuple[int, int] | None = None
) -> os.stat_result:
    """Replace the file at *path* atomically by *content*, with mode 0600.

    A symlink at *path* is replaced, not followed. The temporary file has a fixed name, so that the
    next write removes a copy that a crash left, and two processes that write one path need a lock.
    """
    data = content.encode() if isinstance(content, str) else content
    return replace_file(path, data, mode=0o600, owner=owner)


def replace_file(
    path: Path, content: bytes, *, mode: int, owner: tuple[int, int] | None = None
) -> os.stat_result:
    """Replace the file at *path* atomically, and fsync it; see :func:`write_private`."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # Before fchown, because only the owner of a file may change its mode.
            os.fchmod(descriptor, mode)
            if owner is not None:
                os.fchown(descriptor, *owner)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
            written = os.fstat(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)
    return written


def fsync_folder(folder: Path) -> None:
    """Make a rename in *folder* durable, so that it survives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def lock(
    path: Path, *, folder: bool = False, wait: bool = True, shared: bool = False
) -> Iterator[None]:
    """Hold the ``flock`` of *path* during the block.

    *path* is a file, which is created if it does not exist, or a *folder*. Raises BlockingIOError
    if another process holds the lock and *wait* is false, unless both are *shared*.
    """
    flags = os.O_DIRECTORY | os.O_RDONLY if folder else os.O_CREAT | os.O_RDWR
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, mode | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def stamp(path: Path) -> Stamp | None:
    """Return the identity of the current state of *path*; None if it cannot be read."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
