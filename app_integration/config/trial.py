"""Trial of a delivered file: the file that it replaced is kept until the new one has proved itself.

The kept file is also the mark of a trial. If the process is killed during one, the next process
finds it, and restores it before the application starts.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from app_integration._internal.private_file import write_private
from app_integration.config import file_reader
from app_integration.config.file_access import FileAccess
from app_integration.errors import ConfigRejected


def last_good_file(live: Path) -> Path:
    """Return the path at which the file that a new *live* replaced is kept."""
    return live.with_name(f".{live.name}.last-good")


def is_open(live: Path) -> bool:
    """Return whether *live* is on trial, and the file before it is kept."""
    return os.path.lexists(last_good_file(live))


def begin(live: Path, access: FileAccess) -> None:
    """Keep the file that is about to be replaced, if it is usable and was proved."""
    if is_open(live):
        return
    try:
        data = file_reader.read(live, access)
    except ConfigRejected:
        return
    write_private(last_good_file(live), data)


def accept(live: Path) -> None:
    """End the trial of *live*: the application runs well on it."""
    last_good_file(live).unlink(missing_ok=True)


def restore(live: Path, access: FileAccess) -> None:
    """Replace *live* by the kept file, which closes the trial. It needs no space on the disk."""
    kept, mode = last_good_file(live), access.file_mode(live.parent)
    descriptor = os.open(kept, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise ConfigRejected(f"{kept} is not the delivery's own file; look who made it")
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    kept.replace(live)
