"""Folders that a command owns: a folder that was new or empty, or that has the command's mark.

Another folder is rejected before anything in it is written, removed or gets another mode, so that a
mistyped option costs nothing. One that an earlier version made is known by what is in it, and gets
the mark.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app_integration._internal.private_file import fsync_folder
from app_integration.errors import ConfigurationError

_PREFIX: Final = ".strongroom-"
#: The kinds, by name.
NAMES: Final = ("archive", "backups", "build", "credentials", "deployment", "store")
#: What the root of a file system has that was just made.
_IGNORED: Final = frozenset({"lost+found"})


@dataclass(frozen=True, slots=True)
class FolderKind:
    """Kind of a folder that a command owns.

    *is_earlier* gets a folder without a mark and the names in it, and returns whether an earlier
    version made it.
    """

    name: str
    title: str
    option: str
    is_earlier: Callable[[Path, Collection[str]], bool]

    @property
    def mark(self) -> str:
        """Return the name of the mark."""
        return f"{_PREFIX}{self.name}"

    def check_option(self, path: Path | None) -> Path | None:
        """Return *path*, as the callback of :attr:`option`. See :func:`check`."""
        if path is not None:
            check(path, self)
        return path


def check(path: Path, kind: FolderKind) -> Path:
    """Return *path* without symlinks above it, if it does not exist, is empty, or is of *kind*."""
    folder = path.absolute()
    folder = (
        folder.resolve() if folder.name in {"", ".."} else folder.parent.resolve() / folder.name
    )
    mode = _mode(folder)
    if mode is None:
        return folder
    if stat.S_ISLNK(mode):
        raise ConfigurationError(
            f"{path} is a symlink, which is not followed; name the folder itself with "
            f"{kind.option}: {folder.resolve()}"
        )
    if not stat.S_ISDIR(mode):
        raise ConfigurationError(f"{path} is a file; name a folder with {kind.option}")
    # Before the mark is looked for, because another process may create it, and then files.
    names = {each.name for each in folder.iterdir()} - _IGNORED
    if names and not _is_marked(folder, kind) and not kind.is_earlier(folder, names):
        raise ConfigurationError(
            f"{path} is not a {kind.title}, and has other files, such as {min(names)}; name a new "
            f"or an empty folder with {kind.option}. Nothing was changed"
        )
    return folder


def claim(path: Path, kind: FolderKind) -> Path:
    """Mark the existing folder *path* as one of *kind*, and return it as :func:`check` does."""
    folder = check(path, kind)
    if not _is_marked(folder, kind):
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(folder / kind.mark, flags, folder.stat().st_mode & 0o666))
        fsync_folder(folder)
    return folder


def create(path: Path, kind: FolderKind, *, mode: int = 0o700) -> Path:
    """Create the folder *path* if there is none, and :func:`claim` it.

    A folder that is not marked yet keeps at most the permissions *mode*.
    """
    folder = check(path, kind)
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    found = stat.S_IMODE(folder.stat().st_mode)
    if not _is_marked(folder, kind) and found & 0o777 & ~mode:
        folder.chmod(found & mode)
    return claim(path, kind)


def subfolder(folder: Path, name: str | Path, *, mode: int = 0o700) -> Path:
    """Return the folder *name* below the claimed *folder*, which is created."""
    path = folder
    for part in Path(name).parts:
        path /= part
        with suppress(FileExistsError):
            path.mkdir(mode=mode)
        if not stat.S_ISDIR(_mode(path) or 0):
            raise ConfigurationError(
                f"{path} is a symlink or a file in place of a folder; move it away"
            )
    return path


def remove_tree(path: Path) -> None:
    """Remove the folder *path*, if it exists, which is marked or in a marked folder.

    No symlink is followed. What may not be removed stays.
    """
    if not path.exists() and not path.is_symlink():
        return
    path = path.parent.resolve() / path.name
    if not any(_has_mark(each) for each in (path, *path.parents)):
        raise ConfigurationError(
            f"{path} is in no folder of this tool, and was not removed; remove it yourself"
        )
    shutil.rmtree(path, ignore_errors=True)


def _has_mark(folder: Path) -> bool:
    return any(stat.S_ISREG(_mode(folder / f"{_PREFIX}{name}") or 0) for name in NAMES)


def _is_marked(folder: Path, kind: FolderKind) -> bool:
    return stat.S_ISREG(_mode(folder / kind.mark) or 0)


def _mode(path: Path) -> int | None:
    """Return type and permissions of *path* itself, None if there is nothing."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
