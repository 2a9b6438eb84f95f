"""Decompression of logs that rotation has compressed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from io import FileIO
from typing import Any, Final, TypeAlias

from vault.audit.damage import Reason
from vault.audit.extra import import_extra

# Small, because a few bytes may stand for very many.
_BLOCK: Final = 8192


class LogFault(Exception):
    """A fault at which the content of a file ends."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


#: Yields the content of an open file. It raises :exc:`LogFault`.
Reader: TypeAlias = Callable[[FileIO], Iterator[bytes]]


def read_gzip(file: FileIO) -> Iterator[bytes]:
    """Yield what *file* has in members of gzip."""
    yield from _decompress(partial(zlib.decompressobj, wbits=31), zlib.error, file)


def zstd_reader() -> Reader:
    """Return what reads a file with frames of zstandard."""
    zstandard = import_extra("zstandard")
    new = zstandard.ZstdDecompressor().decompressobj
    return partial(_decompress, new, zstandard.ZstdError)


def _decompress(new: Callable[[], Any], error: type[Exception], file: FileIO) -> Iterator[bytes]:
    """Yield what *file* has in members or frames."""
    decompressor = new()
    try:
        while data := file.read(_BLOCK):
            while data:
                if decompressor.eof:
                    decompressor = new()
                yield decompressor.decompress(data)
                data = decompressor.unused_data
    except error:
        raise LogFault(Reason.ALTERED) from None
    # A reader of a stream would end a cut one without an error.
    if not decompressor.eof:
        raise LogFault(Reason.CUT)
