"""A binary file object that encrypts what is written to it."""

from __future__ import annotations

import io
import threading
from types import TracebackType
from typing import Any, NoReturn, Protocol

from app_integration._internal.fork_safety import reset_in_child
from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.chunks import (
    BATCH_SIZE,
    PER_BATCH,
    SEALED_BATCH_SIZE,
    seal_batch,
)
from app_integration.encryption.files.streams import Target, new_buffer, write_all


class Output(Protocol):
    """Where a whole body ends up, or nothing of it."""

    def publish(self) -> None:
        """Make what was written available."""
        ...

    def discard(self) -> None:
        """Remove what was written."""
        ...


class ChunkWriter(io.RawIOBase):
    """A file object for writing, whose plaintext becomes an encrypted body.

    :meth:`close` completes the file. As a context manager it does so only if the block exits
    without an exception. A writer that is neither closed nor left leaves no file. Threads may share
    a writer, and in a forked child it is closed, because no nonce may be used twice.
    """

    def __init__(self, cipher: BodyCipher, target: Target, output: Output | None = None) -> None:
        """Create the writer of a body whose header was written."""
        super().__init__()
        self._cipher = cipher
        self._target = target
        self._output = output
        self._lock = threading.RLock()
        self._plain, self._sealed = new_buffer(BATCH_SIZE), new_buffer(SEALED_BATCH_SIZE)
        self._filled = 0
        self._position = 0
        reset_in_child(self)

    def reset_after_fork(self) -> None:
        """Close the child's copy. The file stays with the parent."""
        self._lock = threading.RLock()
        self.discard()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any, /) -> int:
        """Encrypt all of *data*, and return its number of bytes."""
        view = memoryview(data).cast("B")
        with self._lock:
            if self.closed:
                raise ValueError("write to a closed file")
            try:
                self._write(view)
            except BaseException:
                self.discard()
                raise
        return len(view)

    def _write(self, data: memoryview) -> None:
        while data:
            # A full batch is written only now, because until here it could have been the last.
            if self._filled == BATCH_SIZE:
                self._flush_batch()
            part = data[: BATCH_SIZE - self._filled]
            self._plain[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            data = data[len(part) :]

    def _flush_batch(self, *, last: bool = False) -> None:
        plain, position = self._plain[: self._filled], self._position
        # Before the cipher is used, so that no interruption can have a position used again.
        self._position += PER_BATCH
        write_all(self._target, seal_batch(self._cipher, position, plain, self._sealed, last=last))
        self._filled = 0

    def close(self) -> None:
        """Write the last chunk, and give the file its name. A second call does nothing."""
        with self._lock:
            if self.closed:
                return
            try:
                self._flush_batch(last=True)
                super().close()
            except BaseException:
                self.discard()
                raise
            if self._output is not None:
                self._output.publish()

    def discard(self) -> None:
        """Leave no file. Nothing happens to a file that is complete."""
        with self._lock:
            if self.closed:
                return
            super().close()
            if self._output is not None:
                self._output.discard()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Complete the file, or discard it after an exception."""
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        """Discard the file. The base class would close it, and so complete half a file."""
        if hasattr(self, "_lock"):
            self.discard()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a file object cannot be pickled or copied; open a file of its own")
