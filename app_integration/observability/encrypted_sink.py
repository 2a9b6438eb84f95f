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

        Args:
            file: Names the log: its folder is that of the files, and its name without the ending
                that of the log. No file of this name is written.
            scope: The service and environment.
            new_file_key: Returns a new file key, for which it sends a request.

        Raises:
            ConfigurationError: If the name cannot be that of a log.

        """
        place = LogPlace(scope, file.parent, file.stem)
        self._writer = LogWriter(place, new_file_key, Rotation())

    def __call__(self, line: str) -> None:
        """Append *line*.

        Raises:
            OSError: If the line was not written.
            StrongroomError: If the file key cannot be wrapped.

        """
        self._writer.write(line.encode())

    def close(self) -> None:
        """Write the last frame of the file."""
        self._writer.close()
