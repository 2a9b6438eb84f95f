"""A file that gets its name when it is whole."""

from __future__ import annotations

import fcntl
import os
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from app_integration.errors import ConfigurationError

_MODE: Final = 0o600


class PendingFile:
    """A new file under a temporary name, which :meth:`publish` replaces by its own.

    The temporary name is fixed, and locked, so that the next writer of the same file reuses what a
    killed one left, and a writer beside it is rejected.

    As a context manager it is published if the block ends without an exception, or else discarded.

    Attributes:
        path: The name that it gets.
        file: The open file, without a buffer.

    """

    def __init__(self, path: Path) -> None:
        """Create the temporary file beside *path*, with mode 0600.

        Raises:
            ConfigurationError: If another process is writing *path*, or the folder does not exist.

        """
        self.path = path
        self._temporary = path.with_name(f".{path.name}.new")
        if path.is_dir():
            raise ConfigurationError(f"{path} is a folder; name a file")
        try:
            self.file = FileIO(self._open(), "r+b")
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
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            descriptor = os.open(self._temporary, flags, _MODE)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_named(descriptor):
                    os.fchmod(descriptor, _MODE)
                    os.ftruncate(descriptor, 0)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            # Its writer published or removed it between the two calls.
            os.close(descriptor)

    def _is_named(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._temporary.lstat())
        except FileNotFoundError:
            return False

    def publish(self) -> None:
        """Make the content durable, give the file its name, and close it."""
        try:
            os.fsync(self.file.fileno())
            self._temporary.replace(self.path)
        except BaseException:
            self.discard()
            raise
        self.file.close()
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Remove the temporary file, and close it."""
        self._temporary.unlink(missing_ok=True)
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
            self.discard()
