"""Private temporary folders, which the next run removes if this process is killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backup.interruption import uninterrupted


@contextmanager
def temporary_folder(
    parent: Path, prefix: str, owner: tuple[int, int] | None = None
) -> Iterator[Path]:
    """Create a private folder, and remove it at the end of the block.

    Its lock is held during the block, so that no other process takes it for an abandoned one.
    *owner* is a user and group id, None for those of the process.
    """
    created: list[tuple[Path, int]] = []
    try:
        with uninterrupted():
            created.append(_create_locked(parent, prefix))
        ((path, descriptor),) = created
        if owner is not None:
            os.fchown(descriptor, *owner)
        yield path
    finally:
        with uninterrupted():
            for path, descriptor in created:
                shutil.rmtree(path, ignore_errors=True)
                os.close(descriptor)


def remove_abandoned(
    parent: Path, prefix: str, owners: tuple[int, ...], end: Callable[[Path], None]
) -> None:
    """Remove the folders of killed processes.

    Only those of *owners*, user ids, are removed, after *end* has ended what runs in them.
    """
    for path in parent.glob(f"{prefix}*"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if os.fstat(descriptor).st_uid in owners and _try_lock(descriptor):
                end(path)
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)


def _create_locked(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        # Another process may have removed the folder before it was locked.
        if _try_lock(descriptor) and path.exists():
            return path, descriptor
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
