"""Trial of a delivered file: the file that it replaced is kept until the new one has proved itself.

The kept file is also the mark of a trial. If the process is killed during one, the next process
finds it, and restores it before the application starts.
"""

from __future__ import annotations

from pathlib import Path

from app_integration._internal.private_file import replace_file, write_private
from app_integration.config import file_reader
from app_integration.config.file_access import FileAccess
from app_integration.errors import ConfigRejected


def last_good_file(live: Path) -> Path:
    """Return the path at which the file that a new *live* replaced is kept."""
    return live.with_name(f".{live.name}.last-good")


def begin(live: Path, access: FileAccess) -> None:
    """Keep the file that is about to be replaced, if there is a usable one.

    Raises:
        OSError: If it cannot be kept.

    """
    try:
        data = file_reader.read(live, access)
    except ConfigRejected:
        end(live)
    else:
        write_private(last_good_file(live), data)


def end(live: Path) -> None:
    """End the trial: the application runs well on *live*, or it was restored."""
    last_good_file(live).unlink(missing_ok=True)


def restore(live: Path, access: FileAccess) -> bool:
    """Replace *live* by the kept file; return False if none was kept. The trial goes on.

    Raises:
        ConfigRejected: If the folder's mode is wrong.
        OSError: If a file cannot be read or written.

    """
    try:
        data = last_good_file(live).read_bytes()
    except FileNotFoundError:
        return False
    replace_file(live, data, mode=access.file_mode(live.parent))
    return True
