"""Private files: readable by their owner only, whole or not there at all."""

from __future__ import annotations

import os
from pathlib import Path


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
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None:
                os.fchown(descriptor, *owner)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename in *folder* survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
