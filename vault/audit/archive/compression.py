"""Compression by zstandard, whose package is an extra of the tool."""

from __future__ import annotations

from collections.abc import Iterator
from io import RawIOBase
from typing import TYPE_CHECKING, Final

from vault.audit.archive.errors import SegmentDamaged
from vault.audit.extra import import_extra

if TYPE_CHECKING:
    import zstandard

#: Level 9 takes three times as long for a tenth less.
LEVEL: Final = 3
_READ: Final = 64 * 1024
#: Compressed bytes of one step. They become 128 MiB at most, whatever a forger has written.
_STEP: Final = 4096


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
