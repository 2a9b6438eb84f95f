"""A file that gets its name when it is whole."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from app_integration._internal.private_file import fsync_folder
from app_integration.errors import ConfigurationError

_MODE: Final = 0o600
#: Of a write only, so that the source of a copy is not meant.
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class _NamedFile(FileIO):
    """A file opened by its descriptor, whose errors name the file that it will be."""

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(descriptor, "r+b")
        self._path = path

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            _name_full(error, self._path)
            raise


class PendingFile:
    """A new file under a temporary name, which :meth:`publish` replaces by its own.

    The temporary name is fixed and locked, so the next writer replaces what a killed one left, and
    a writer beside it is rejected.

    As a context manager it is published if the block raises no exception, or else discarded. Only
    the process that created it does either; a forked child leaves the file alone.
    """

    def __init__(self, path: Path) -> None:
        """Create the temporary file beside *path*, with mode 0600."""
        self.path = path
        self._temporary = path.with_name(f".{path.name}.new")
        self._owner_pid = os.getpid()
        _check_replaceable(path)
        try:
            self.file: FileIO = _NamedFile(self._open(), path)
        except BlockingIOError:
            raise ConfigurationError(
                f"{path}: another process is writing this file; wait until it has ended"
            ) from None
        except OSError as error:
            raise ConfigurationError(
                f"{path}: cannot create the file: {error.strerror}; name a file in a folder that "
                "exists and may be written"
            ) from None

    def _open(self) -> int:
        """Return a descriptor of the empty, locked temporary file."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        while True:
            try:
                descriptor = os.open(self._temporary, flags, _MODE)
            except FileExistsError:
                self._remove_abandoned()
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_named(descriptor):
                    os.fchmod(descriptor, _MODE)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            # Another writer took it for abandoned between the two calls.
            os.close(descriptor)

    def _remove_abandoned(self) -> None:
        """Remove the temporary file of a killed writer; raise BlockingIOError if it still runs.

        The file is not reused, because it may belong to another user, be open in another process,
        or be a hard link to a file that must not be lost.
        """
        try:
            descriptor = os.open(self._temporary, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is_named(descriptor):
                self._temporary.unlink()
        finally:
            os.close(descriptor)

    def _is_named(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._temporary.lstat())
        except FileNotFoundError:
            return False

    def publish(self) -> None:
        """Make the content durable, give the file its name, and close it."""
        self._check_owner()
        try:
            os.fsync(self.file.fileno())
            self._temporary.replace(self.path)
        except BaseException as error:
            _name_full(error, self.path)
            self.discard()
            raise
        self.file.close()
        fsync_folder(self.path.parent)

    def _check_owner(self) -> None:
        if os.getpid() != self._owner_pid:
            self.file.close()
            raise ConfigurationError(
                f"{self.path}: another process is writing this file; complete it there"
            )

    def discard(self) -> None:
        """Remove the temporary file, and close it."""
        # After an interrupted publish() the temporary name may be that of the next writer.
        if os.getpid() == self._owner_pid and self._is_named(self.file.fileno()):
            self._temporary.unlink()
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.publish()
        else:
            _name_full(value, self.path)
            self.discard()


def _name_full(error: BaseException | None, path: Path) -> None:
    """Set *path* in the error of a full disk, because a write to a descriptor names no file."""
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        error.filename = str(path)


def _check_replaceable(path: Path) -> None:
    """Check that nothing but a file is replaced, because ``/dev/null`` would become one."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # creating the temporary file reports it
    if stat.S_ISDIR(mode):
        raise ConfigurationError(f"{path} is a folder; name a file")
    if not stat.S_ISREG(mode):
        raise ConfigurationError(
            f"{path} is a device, a pipe or a symlink, which is not replaced; name a file"
        )
