"""Output of agents: each line is copied to standard error with the name of its unit."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

MAX_LINE: Final = 64 * 1024  # bytes, after which a line is split
_DRAIN_SECONDS: Final = 1.0  # for the last lines of an agent that has ended


class LineCopier(asyncio.Protocol):
    """Copier of lines that arrive in parts."""

    def __init__(self, name: str, write: Callable[[bytes], object]) -> None:
        """Store the arguments.

        Args:
            name: Written before each line.
            write: Writes whole lines.

        """
        self._prefix = f"{name}: ".encode()
        self._write = write
        self._rest = b""
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Write the lines that *data* completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            lines, self._rest = [*lines, self._rest], b""
        if lines:
            self._write(b"".join(self._prefix + line + b"\n" for line in lines))

    def connection_lost(self, _error: Exception | None) -> None:
        """Write a last line without its end."""
        if self._rest:
            self._write(self._prefix + self._rest + b"\n")
        self.closed.set()


@asynccontextmanager
async def copy_output(name: str) -> AsyncIterator[int]:
    """Yield a file descriptor for the output of the agent of unit *name*."""
    copier = LineCopier(name, _write)
    reads, writes = os.pipe()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: copier, os.fdopen(reads, "rb"))
    try:
        yield writes
    finally:
        os.close(writes)
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await copier.closed.wait()
        except TimeoutError:  # another process has the descriptor
            transport.close()


def _write(lines: bytes) -> None:
    sys.stderr.buffer.write(lines)
    sys.stderr.flush()
