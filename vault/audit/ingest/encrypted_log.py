"""Encrypted files of access records, read as the lines that they have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from app_integration.observability.log_file_reader import LogFileReader, Unwrap
from vault.audit.damage import Reason
from vault.audit.ingest.log_file import read_stamp


class EncryptedLog:
    """A file of the SDK's encrypted log; see :class:`vault.audit.ingest.log_file.LogFile`.

    It is named by its header: the log, its writer, and the place among the writer's files.
    """

    def __init__(self, path: Path, unwrap: Unwrap) -> None:
        self.path = path
        self.stamp = read_stamp(path)
        self._unwrap = unwrap
        self.is_ended = False
        self.fault: Reason | None = None
        context = self._open().context
        self.identity = hashlib.sha256(context.encode()).hexdigest() if context else None

    def _open(self) -> LogFileReader:
        reader = LogFileReader(self.path, self._unwrap, None)
        if reader.fault is not None:
            self.fault = Reason.ALTERED
        return reader

    def blocks(self, start: int) -> Iterator[bytes]:
        """Yield the records from the offset *start* of their lines, each with a newline."""
        reader = self._open()
        offset = 0
        for record in reader.read():
            data = record + b"\n"
            if offset >= start:
                yield data
            offset += len(data)
        if reader.fault is not None:
            self.fault = Reason.ALTERED
        elif offset < start:
            self.fault = Reason.CUT
        self.is_ended = reader.is_closed

    def close(self) -> None:
        """Do nothing, because the file is open during a read only."""
