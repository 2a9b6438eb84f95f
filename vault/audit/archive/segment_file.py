"""Encrypted file of a segment: the compressed log, in the format of encrypted files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app_integration._internal.input_file import open_input
from app_integration._internal.pending_file import PendingFile
from app_integration.encryption.files import header as headers
from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.chunk_reader import SequentialReader
from app_integration.encryption.files.chunk_writer import ChunkWriter
from app_integration.encryption.files.digest import digest_open_file
from app_integration.encryption.files.file_key import FileKey
from app_integration.encryption.files.header import Header, read_header
from app_integration.encryption.files.preamble import Body, bind
from app_integration.encryption.files.streams import Source, write_all
from app_integration.encryption.tokens.encryption_context import ContextValue
from app_integration.errors import DecryptionFailed, StrongroomError
from app_integration.names import Environment, Scope
from app_integration.observability.log_file_reader import Unwrap
from vault.audit.archive.entry import Segment
from vault.audit.archive.errors import ArchiveFailed, SegmentDamaged
from vault.audit.archive.log_facts import LogFacts, LogScanner
from vault.audit.extra import import_extra

if TYPE_CHECKING:
    import zstandard


#: Level 9 takes three times as long for a tenth less.
LEVEL: Final = 3
_READ: Final = 64 * 1024
#: Compressed bytes of one step. They become 128 MiB at most, whatever a forger has written.
_STEP: Final = 4096
_CHUNK: Final = 1024 * 1024
_OWN: Final = ("service", "environment")


def compressor(size: int) -> zstandard.ZstdCompressionObj:
    """Return a compressor of exactly *size* bytes."""
    made = import_extra("zstandard").ZstdCompressor(level=LEVEL, write_checksum=True)
    compressing: zstandard.ZstdCompressionObj = made.compressobj(size=size)
    return compressing


def decompress(source: RawIOBase) -> Iterator[bytes]:
    """Yield the content of the one frame that *source* has.

    A cut frame is an error. The reader of zstandard itself would end it without one.
    """
    package = import_extra("zstandard")
    frame = package.ZstdDecompressor().decompressobj()
    try:
        while read := source.read(_READ):
            for start in range(0, len(read), _STEP):
                if frame.eof:
                    raise SegmentDamaged("it has bytes after its end")
                yield frame.decompress(read[start : start + _STEP])
    except package.ZstdError:
        raise SegmentDamaged("it is not compressed by zstandard, or was altered") from None
    if not frame.eof or frame.unused_data:
        raise SegmentDamaged("it ends too early, or has bytes after its end")


@dataclass(frozen=True, slots=True)
class SegmentWriter:
    """Writes the files of segments."""

    scope: Scope
    key: FileKey

    def write(self, raw: Path, folder: Path, segment: Segment) -> Segment:
        """Write the file of *segment* to *folder*, read back before it gets its name.

        It replaces a file of that name. Returns the segment with the facts of its file.
        """
        start, cipher = self.key.start(Body.CHUNKS, bind(self.scope, segment.context()))
        with PendingFile(folder / segment.file) as pending:
            write_all(pending.file, memoryview(start))
            with ChunkWriter(cipher, pending.file) as writer:
                _compress(raw, writer, segment.facts.size)
            pending.file.seek(headers.SIZE)
            if _read_back(cipher, pending.file) != segment.facts:
                raise ArchiveFailed(
                    f"{folder / segment.file} was written wrongly, or {raw} has changed; run the "
                    "command again, and check the disk if that repeats"
                )
            pending.file.seek(0)
            digest = digest_open_file(pending.file)
            size = pending.file.tell()
        return replace(segment, size=size, digest=digest)


def _compress(raw: Path, writer: ChunkWriter, size: int) -> None:
    frame = compressor(size)
    with open_input(raw) as file:
        while size and (piece := file.read(min(size, _CHUNK))):
            writer.write(frame.compress(piece))
            size -= len(piece)
    if size:
        raise ArchiveFailed(f"{raw} became shorter while it was read; look who writes it")
    writer.write(frame.flush())


def _read_back(cipher: BodyCipher, source: Source) -> LogFacts | None:
    """Return the facts of the log in *source*, None if it is not whole."""
    scanner = LogScanner()
    try:
        for piece in _read_log(cipher, source):
            scanner.feed(piece)
    except (DecryptionFailed, SegmentDamaged):
        return None
    return scanner.facts()


def read_segment(file: Source, unwrap: Unwrap) -> Iterator[bytes]:
    """Yield the log in the file of a segment, in pieces that were verified."""
    header = read_segment_header(file)
    if header is None:
        raise SegmentDamaged("it is no file of a segment, or its header was altered")
    yield from _read_log(unwrap(header), file)


def read_segment_file(path: Path, unwrap: Unwrap) -> Iterator[bytes]:
    """Yield the log in the file *path* of a segment. See :func:`read_segment`."""
    with open_input(path) as file:
        yield from read_segment(file, unwrap)


def _read_log(cipher: BodyCipher, source: Source) -> Iterator[bytes]:
    """Yield the log in *source*, which is at the start of the body of a segment's file."""
    yield from decompress(SequentialReader(cipher, source))


def read_segment_header(file: Source) -> Header | None:
    """Return the header at the start of *file*, None if that is no encrypted file of chunks."""
    try:
        header = read_header(file, allow_damage=True)
    except DecryptionFailed:
        return None
    return header if header.preamble.body is Body.CHUNKS else None


def header_context(header: Header) -> dict[str, ContextValue] | None:
    """Return the context of a header without service and environment, None if it is malformed."""
    try:
        context = header.preamble.context
    except DecryptionFailed:
        return None
    return {name: value for name, value in context.items() if name not in _OWN}


def header_scope(header: Header) -> Scope | None:
    """Return the service and environment of a header, None if it is malformed."""
    try:
        context = header.preamble.context
        return Scope(str(context["service"]), Environment(str(context["environment"])))
    except (LookupError, StrongroomError):
        return None
