"""Reader of one encrypted file of a log, which its writer may still append to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from app_integration._internal.input_file import open_input
from app_integration.encryption.files import header as headers
from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.frames import FrameReader
from app_integration.encryption.files.header import Header
from app_integration.encryption.files.log_context import LogContext
from app_integration.encryption.files.preamble import Body
from app_integration.errors import DecryptionFailed
from app_integration.names import Scope

#: Returns the cipher of a file's body, for which it may send a request.
Unwrap = Callable[[Header], BodyCipher]

_CHUNK: Final = 65_536  # bytes in one read
#: How a file of gzip or zstd begins.
_COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")


class LogFileReader:
    """Reader of one file. The file is open during a read only, so that thousands can be merged."""

    def __init__(self, path: Path, unwrap: Unwrap, scope: Scope | None) -> None:
        """Create the reader, and read the header if it is complete."""
        self.path = path
        self.context: LogContext | None = None
        self.fault: str | None = None
        self._unwrap = unwrap
        self._scope = scope
        self._header: Header | None = None
        self._frames: FrameReader | None = None
        self._offset = 0
        self.read_header()

    @property
    def is_closed(self) -> bool:
        """Return whether the last frame was read."""
        return self._frames is not None and self._frames.is_closed

    @property
    def incomplete(self) -> str | None:
        """Return what is incomplete at the end of the file, or None."""
        if self._header is None:
            return "its header is incomplete"
        if self._frames is not None and (pending := self._frames.pending):
            return f"its last record is incomplete: {pending} bytes"
        return None

    def read(self) -> Iterator[bytes]:
        """Yield each verified record that was not read before, up to the end of the file.

        After a fault, nothing more is yielded.
        """
        self.read_header()
        while self.fault is None and self._header is not None and (data := self._read_chunk()):
            try:
                if self._frames is None:
                    self._frames = FrameReader(self._unwrap(self._header))
                yield from self._frames.feed(data)
            except DecryptionFailed:
                self.fault = self._describe_failure()

    def _describe_failure(self) -> str:
        if self._frames is None:
            return "is altered, or not encrypted for this reader"
        if self._frames.is_closed:
            return f"is altered: bytes follow its end, after record {self._frames.count}"
        return f"is altered after record {self._frames.count}"

    def read_header(self) -> None:
        """Read the header, once it is complete."""
        if self._header is not None or self.fault is not None:
            return
        data = self._read_at(0, headers.SIZE)
        if data.startswith(_COMPRESSED):
            self.fault = "is compressed; decompress it, and read that file"
            return
        if len(data) < headers.SIZE:
            return
        try:
            header = headers.parse_header(data)
            context = LogContext.read(header.preamble)
        except DecryptionFailed:
            self.fault = "is altered: its header is not that of a log"
            return
        if not header.is_intact or header.preamble.body is not Body.FRAMES:
            self.fault = "is altered: its header is damaged"
            return
        if self._scope not in (None, context.scope):
            self.fault = f"is not a log of {self._scope}"
            return
        self._header, self.context, self._offset = header, context, headers.SIZE

    def _read_chunk(self) -> bytes:
        data = self._read_at(self._offset, _CHUNK)
        self._offset += len(data)
        return data

    def _read_at(self, offset: int, size: int) -> bytes:
        try:
            with open_input(self.path) as file:
                if file.seek(0, 2) < offset:
                    self.fault = "was cut while it was read"
                    return b""
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            self.fault = f"cannot be read: {error.strerror}"
            return b""
