"""Process that logs until it is killed, and what is lost of its log."""

from __future__ import annotations

import mmap
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.observability.log_writer import LogPlace, LogWriter, Rotation
from tests.support.models.encrypted_logs import ReadLog, read_log

_NUMBER: Final = 8  # bytes
#: Bytes of a record, by its number: some have several pages, within which a write may end.
_SIZES: Final = (40, 400, 30_000)


@dataclass(frozen=True, slots=True)
class Killed:
    written: int
    log: ReadLog


def log_until_killed(files: FileCipher, place: LogPlace, seconds: float) -> Killed:
    done = mmap.mmap(-1, _NUMBER)
    writer = LogWriter(place, files.new_file_key, Rotation(max_bytes=200_000))
    writer.prepare()
    child = os.fork()
    if child == 0:
        _log_for_ever(writer, done)
    while not int.from_bytes(done[:_NUMBER], "big"):
        time.sleep(0.001)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Killed(int.from_bytes(done[:_NUMBER], "big"), read_log(files, place.folder))


def _log_for_ever(writer: LogWriter, done: mmap.mmap) -> None:
    try:
        number = 0
        while True:
            writer.write(b"%d" % number + b"x" * _SIZES[number % len(_SIZES)])
            number += 1
            done[:_NUMBER] = number.to_bytes(_NUMBER, "big")
    finally:
        os._exit(1)


def check_killed(killed: Killed, folder: Path) -> None:
    """Check that nothing but the record under way is lost, and that its rest is noticed."""
    records = killed.log.records
    assert [int(record.partition("x")[0]) for record in records] == [*range(len(records))]
    assert killed.written <= len(records) <= killed.written + 1
    # The newest file is not closed, or ends within a record. Between two files, there is neither.
    assert len(killed.log.said) <= 1
    torn = any("incomplete" in each for each in killed.log.said)
    assert torn or all("not closed" in each for each in killed.log.said)
    assert killed.log.has_fault == torn
    assert killed.written >= 1
    assert any(folder.iterdir())
