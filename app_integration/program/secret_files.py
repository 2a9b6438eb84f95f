"""Private files in which a program finds secrets while it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from app_integration._internal.private_file import FileId, write_private
from app_integration.secret import Secret


class SecretFiles:
    """Files of one program, each with one secret."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        """Write nothing yet."""
        self._paths = paths
        self._written: dict[Path, int] = {}

    def write(self, values: Mapping[str, Secret]) -> None:
        """Write or replace the files, each readable by its owner only."""
        for name, path in self._paths.items():
            self._keep_open(path, write_private(path, values[name].reveal()))

    def _keep_open(self, path: Path, written: FileId) -> None:
        """Keep the file that was written open, so that no other one gets its inode."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if _identify(os.fstat(descriptor)) != written:  # of another instance already
            os.close(descriptor)
            return
        if path in self._written:
            os.close(self._written[path])
        self._written[path] = descriptor

    def remove(self) -> None:
        """Remove the files that were written. One of another instance stays at such a path."""
        for path, descriptor in self._written.items():
            with suppress(OSError):  # so that the others go, too
                if os.path.samestat(path.lstat(), os.fstat(descriptor)):
                    path.unlink()
            os.close(descriptor)
        self._written.clear()


def _identify(found: os.stat_result) -> FileId:
    return found.st_dev, found.st_ino
