"""Chunks of a regular file in several threads, each with batches of its own."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from app_integration.encryption.files import header
from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.chunks import (
    BATCH_SIZE,
    PER_BATCH,
    SEALED_BATCH_SIZE,
    open_batch,
    plain_size,
    seal_batch,
)
from app_integration.encryption.files.streams import (
    Progress,
    new_buffer,
    read_at,
    report_nothing,
    write_at,
)
from app_integration.errors import EncryptionError, raise_decryption_failed


@dataclass(slots=True)
class _Batches:
    """The numbers of the batches of a file, handed out to threads, and what is done of them."""

    count: int
    progress: Progress
    lock: threading.Lock = field(default_factory=threading.Lock)
    next_number: int = 0
    done: int = 0
    is_stopped: bool = False

    def __iter__(self) -> Iterator[int]:
        while (number := self._take()) is not None:
            yield number

    def _take(self) -> int | None:
        with self.lock:
            if self.is_stopped or self.next_number == self.count:
                return None
            self.next_number += 1
            return self.next_number - 1

    def report(self, size: int) -> None:
        with self.lock:
            self.done += size
            self.progress(self.done)


def is_divisible(descriptor: int) -> bool:
    """Return whether a file has work for several threads.

    Files of ``/proc`` and ``/sys`` have another size than they say, so they are read in order.
    """
    status = os.fstat(descriptor)
    return stat.S_ISREG(status.st_mode) and status.st_size > SEALED_BATCH_SIZE


def encrypt_parallel(
    cipher: BodyCipher,
    source: int,
    target: int,
    threads: int,
    progress: Progress = report_nothing,
) -> None:
    """Encrypt the regular file *source*, and write the body to *target* after its header."""
    size = os.fstat(source).st_size
    count = max(1, -(-size // BATCH_SIZE))

    def work(batches: _Batches) -> None:
        plain, sealed = new_buffer(BATCH_SIZE), new_buffer(SEALED_BATCH_SIZE)
        for number in batches:
            offset = number * BATCH_SIZE
            part = plain[: min(BATCH_SIZE, size - offset)]
            if not read_at(source, part, offset):
                raise EncryptionError("the file became shorter while it was encrypted; try again")
            last = number == count - 1
            out = seal_batch(cipher, number * PER_BATCH, part, sealed, last=last)
            write_at(target, out, header.SIZE + number * SEALED_BATCH_SIZE)
            batches.report(len(part))

    _run(work, _Batches(count, progress), threads)
    if os.fstat(source).st_size != size:
        raise EncryptionError("the file changed while it was encrypted; try again")


def decrypt_parallel(
    cipher: BodyCipher,
    source: int,
    target: int,
    threads: int,
    progress: Progress = report_nothing,
) -> None:
    """Decrypt the body of the regular file *source*, and write the plaintext to *target*.

    After an error, *target* must be discarded.
    """
    size = os.fstat(source).st_size - header.SIZE
    plain_size(size)
    count = -(-size // SEALED_BATCH_SIZE)

    def work(batches: _Batches) -> None:
        plain, sealed = new_buffer(BATCH_SIZE), new_buffer(SEALED_BATCH_SIZE)
        for number in batches:
            offset = number * SEALED_BATCH_SIZE
            part = sealed[: min(SEALED_BATCH_SIZE, size - offset)]
            if not read_at(source, part, header.SIZE + offset):
                raise_decryption_failed("file")
            last = number == count - 1
            out = open_batch(cipher, number * PER_BATCH, part, plain, last=last)
            write_at(target, out, number * BATCH_SIZE)
            batches.report(len(part))

    _run(work, _Batches(count, progress), threads)


def _run(work: Callable[[_Batches], None], batches: _Batches, threads: int) -> None:
    """Run *work* in each thread; the first error stops all."""

    def guarded() -> None:
        try:
            work(batches)
        except BaseException:
            batches.is_stopped = True
            raise

    count = min(threads, batches.count)
    with ThreadPoolExecutor(count, thread_name_prefix="strongroom-file") as pool:
        futures = [pool.submit(guarded) for _ in range(count)]
        try:
            for future in futures:
                future.result()
        except BaseException:  # KeyboardInterrupt too, because the pool waits for its threads
            batches.is_stopped = True
            raise
