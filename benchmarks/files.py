"""Benchmark of file encryption against a plain copy on the same file system, and other libraries.

    python -m benchmarks.files [--size 256] [--turns 7] [--folder DIR]

The floor is a copy with ``readinto`` and a buffer of 256 KiB. All write a new file that then gets
its name, and all are made durable, which takes no time on the default folder, in memory.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from app_integration._internal.pending_file import PendingFile
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.names import Environment, Scope
from benchmarks import file_peers
from benchmarks.memory_keys import MemoryService
from benchmarks.ratio import FOLDER, Case, repeated, run_cases

SIZE: Final = 256  # MiB
TURNS: Final = 7
MEMORY: Final = Path("/dev/shm")  # noqa: S108 (a folder of our own is made in it)
_BUFFER: Final = 256 * 1024
_COPY: Final = "plain copy"
_THREADS: Final = {1: "one thread", 2: "two threads"}


@contextmanager
def cases(size: int = SIZE, folder: Path | None = None) -> Iterator[Iterator[Case]]:
    """Yield all cases with a file of *size* MiB, which is in memory without a *folder*."""
    with Files.create(size, folder) as files:
        yield _cases(files)


@contextmanager
def one_thread() -> Iterator[Iterator[Case]]:
    """Yield the cases of a small file and one thread, which other load disturbs less."""
    with Files.create(64, None) as files:
        yield _own_cases(files, threads=1)


def _cases(files: Files) -> Iterator[Case]:
    yield from _own_cases(files, threads=1)
    yield from _own_cases(files, threads=2)
    one, two = (partial(files.encrypt, threads) for threads in (1, 2))
    yield Case("two threads, encrypt", repeated(two), repeated(one), "one thread", 1 / 1.2, calls=1)
    for name, run in file_peers.all_peers(files.source, files.other):
        yield Case(name, repeated(run), files.copied, _COPY, calls=1)


def _own_cases(files: Files, threads: int) -> Iterator[Case]:
    bar = 1 / 0.65 if threads == 1 else 1 / 0.85
    for name, run in (("encrypt", files.encrypt), ("decrypt", files.decrypt)):
        subject = repeated(partial(run, threads))
        yield Case(f"{name}_file, {_THREADS[threads]}", subject, files.copied, _COPY, bar, calls=1)


class Files:
    """A file, and what can be done with it."""

    def __init__(self, folder: Path, size: int) -> None:
        self.source, self.other = folder / "source", folder / "other"
        self.source.write_bytes(os.urandom(2**20) * size)
        self._sealed = folder / "sealed"
        self._cipher = FileCipher(lambda _key: MemoryService(), Scope("shop", Environment.DEV))
        self._cipher.encrypt_file(self.source, self._sealed)
        self.copied = repeated(self.copy)

    @classmethod
    @contextmanager
    def create(cls, size: int, folder: Path | None) -> Iterator[Files]:
        """Create the file in a new folder, which is removed at the end."""
        where = folder or (MEMORY if MEMORY.is_dir() else None)
        with tempfile.TemporaryDirectory(dir=where, prefix="strongroom-bench-") as own:
            yield cls(Path(own), size)

    def copy(self) -> None:
        """Copy the file."""
        self.other.unlink(missing_ok=True)
        buffer = memoryview(bytearray(_BUFFER))
        with self.source.open("rb", buffering=0) as file, PendingFile(self.other) as pending:
            while count := file.readinto(buffer):
                pending.file.write(buffer[:count])

    def encrypt(self, threads: int) -> None:
        """Encrypt the file."""
        self.other.unlink(missing_ok=True)
        self._cipher.encrypt_file(self.source, self.other, threads=threads)

    def decrypt(self, threads: int) -> None:
        """Decrypt the file."""
        self.other.unlink(missing_ok=True)
        self._cipher.decrypt_file(self._sealed, self.other, threads=threads)


if __name__ == "__main__":
    sys.exit(run_cases(__doc__, cases, TURNS, ("--size", int, SIZE, "MiB"), FOLDER))
