"""Files of logs, live or ended: which log each one is, and its content from an offset."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from app_integration._internal.input_file import open_input
from app_integration.errors import ConfigurationError
from vault.audit.damage import Reason
from vault.audit.ingest.decompression import LogFault, Reader, read_gzip, zstd_reader
from vault.audit.line import MAX_LINE

#: Device, inode, size and mtime in nanoseconds.
Stamp: TypeAlias = tuple[int, int, int, int]

_BLOCK: Final = 2**20
_BUFFER: Final = 2**18
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
#: Bytes at the start of a log in which a line must begin.
_HEAD: Final = 2**20
_LINE_START: Final = re.compile(rb'\{"time":')
_RECORD: Final = re.compile(rb'\{"time":"[^"]*","service":')
_EVENT: Final = re.compile(rb'\{"time":"[^"]*","type":')
_HMAC: Final = b'"hmac-'


class LogFile(Protocol):
    """A file of a log.

    Attributes:
        path: Path of the file.
        stamp: State of the file when it was opened.
        identity: SHA-256 of the first line that is not blank, up to its greatest length, so that a
            renamed, compressed or copied file is the same log; with the device, if the line has
            nothing of it. None if no line is complete yet.
        is_ended: Whether nothing is appended any more. Known after the content was read.
        fault: The error of the file as a whole, or None. Known after the content was read.

    """

    path: Path
    stamp: Stamp
    identity: str | None
    is_ended: bool
    fault: Reason | None

    def blocks(self, start: int) -> Iterator[bytes]:
        """Yield the content from the offset *start*, up to the end of the last complete line.

        What follows that line is yielded only if the log has ended.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class PlainLog:
    """A log that is not compressed, which the server may still write."""

    is_ended = False
    fault: Reason | None = None

    def __init__(self, path: Path, device: str | None) -> None:
        self.path = path
        self.file = open_input(path)
        self.stamp = _stamp(self.file.fileno())
        #: Bytes up to the end of the last complete line.
        self.size = self._find_end(self.stamp[2])
        self.identity = _identify(self, device)

    def _find_end(self, size: int) -> int:
        descriptor = self.file.fileno()
        while size:
            start = max(0, size - _BLOCK)
            found = os.pread(descriptor, size - start, start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            size = start
        return 0

    def blocks(self, start: int) -> Iterator[bytes]:
        """Yield the content from *start*; see :class:`LogFile`."""
        if start > self.size:
            self.fault = Reason.CUT
        while start < self.size:
            data = os.pread(self.file.fileno(), min(_BLOCK, self.size - start), start)
            if not data:
                self.fault = Reason.CUT  # within this call
                return
            yield data
            start += len(data)

    def count_lines(self) -> int:
        """Return the number of complete lines."""
        count, buffer, at = 0, bytearray(_BUFFER), 0
        while at < self.size and (size := os.preadv(self.file.fileno(), [buffer], at)):
            end, newline = min(size, self.size - at), -1
            # In half the time that ``count`` takes, because lines are long.
            while (newline := buffer.find(b"\n", newline + 1, end)) >= 0:
                count += 1
            at += size
        return count

    def has_grown(self) -> bool:
        """Return whether the file has changed since it was opened."""
        return _stamp(self.file.fileno()) != self.stamp

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class EndedLog:
    """A log to which nothing is appended: rotation has compressed it, or it is in an archive."""

    def __init__(self, path: Path, device: str | None, reader: Reader) -> None:
        self.path = path
        self._reader = reader
        self._file = open_input(path)
        self.stamp = _stamp(self._file.fileno())
        self.is_ended = False
        self.fault: Reason | None = None
        self.identity = _identify(self, device)

    def blocks(self, start: int) -> Iterator[bytes]:
        """Yield the content from *start*; see :class:`LogFile`."""
        self.is_ended, self.fault = False, None
        skipped = 0
        self._file.seek(0)
        try:
            for data in self._reader(self._file):
                kept = data[max(0, start - skipped) :]
                skipped += len(data)
                if kept:
                    yield kept
        except LogFault as error:
            self.fault = error.reason
        if skipped < start and self.fault is None:
            self.fault = Reason.CUT
        self.is_ended = self.fault is None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def open_log(path: Path, device: str | None) -> PlainLog | EndedLog:
    """Return an open log, by the bytes that it begins with."""
    with open_input(path) as file:
        magic = file.read(len(_ZSTD))
    if magic.startswith(_GZIP):
        return EndedLog(path, device, read_gzip)
    if magic == _ZSTD:
        return EndedLog(path, device, zstd_reader())
    return PlainLog(path, device)


def is_compressed(path: Path) -> bool:
    """Return whether a file is compressed, by the bytes that it begins with."""
    with open_input(path) as file:
        return file.read(len(_ZSTD)).startswith((_GZIP, _ZSTD))


def read_stamp(path: Path) -> Stamp:
    """Return the state of a file."""
    return _as_stamp(path.stat())


def _stamp(descriptor: int) -> Stamp:
    return _as_stamp(os.fstat(descriptor))


def _as_stamp(found: os.stat_result) -> Stamp:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _identify(log: LogFile, device: str | None) -> str | None:
    """Return the identity of a log, None if its first line is not complete."""
    head = newline = first = b""
    for block in log.blocks(0):
        head += block
        first, newline, _ = head.lstrip(b" \t\r\n").partition(b"\n")
        if newline or len(head) > MAX_LINE:
            break
    # Anything else would be damage throughout.
    if (newline or len(head) >= _HEAD) and not _LINE_START.search(head, 0, _HEAD):
        log.close()
        raise ConfigurationError(
            f"{log.path} has no line of an audit log; name a file of an audit device, or of access "
            "records"
        )
    if (_EVENT if device is None else _RECORD).match(first):
        log.close()
        raise ConfigurationError(
            f"{log.path} is of an audit device; name it with --audit-log"
            if device is None
            else f"{log.path} has access records; name it with --records"
        )
    if not newline and len(head) <= MAX_LINE:
        return None
    first = first[:MAX_LINE]  # so that the identity does not depend on the blocks
    # A line without an HMAC may be the first one of each device.
    writer = (device or "").encode() if _HMAC not in first else b""
    return hashlib.sha256(writer + first).hexdigest()
