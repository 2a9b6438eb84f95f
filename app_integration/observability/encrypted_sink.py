"""Sink for access records that writes encrypted files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app_integration.encryption.files.file_key import FileKey
from app_integration.names import Scope
from app_integration.observability.log_writer import LogPlace, LogWriter, Rotation


class EncryptedSink:
    """A sink that writes each line as one frame of an encrypted file."""

    def __init__(self, file: Path, scope: Scope, new_file_key: Callable[[], FileKey]) -> None:
        """Create the sink. The first line requests the file key, and creates a file.

        *file* names the folder and, without its ending, the log; no file of this name is written.
        """
        place = LogPlace(scope, file.parent, file.stem)
        self._writer = LogWriter(place, new_file_key, Rotation())

    def __call__(self, line: str) -> None:
        """Append *line*."""
        self._writer.write(line.encode())

    def close(self) -> None:
        """Write the last frame of the file."""
        self._writer.close()
