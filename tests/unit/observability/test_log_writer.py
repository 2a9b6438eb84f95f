"""Writer of encrypted logs: rotation, forks, full disks, and files that others move."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.encryption.files.frames import MAX_RECORD
from app_integration.errors import ConfigurationError, KeyUnavailable
from app_integration.observability.log_reader import find_files
from app_integration.observability.log_writer import (
    CHECK_INTERVAL,
    LogPlace,
    LogWriter,
    Rotation,
    WriterBusy,
)
from app_integration.testing.application import MemoryApplication
from app_integration.testing.faults import Fault
from tests.support.clock import Clock
from tests.support.limited_files import limited_size
from tests.support.models.encrypted_logs import HEADER_SIZE, ReadLog, names, read_log

STAMP: Final = 1_790_000_000.0  # 2026-09-21T14:13:20Z


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(vault: MemoryApplication, files: FileCipher, folder: Path, clock: Clock) -> LogWriter:
    return make_writer(vault, files, folder, clock)


def make_writer(
    vault: MemoryApplication,
    files: FileCipher,
    folder: Path,
    clock: Clock,
    rotation: Rotation | None = None,
    random: Callable[[int], bytes] = os.urandom,
) -> LogWriter:
    return LogWriter(
        LogPlace(vault.scope, folder, "access"),
        files.new_file_key,
        rotation or Rotation(),
        clock=clock,
        now=lambda: STAMP,
        random=random,
    )


def close_and_read(writer: LogWriter, files: FileCipher, *paths: Path) -> ReadLog:
    writer.close()
    return read_log(files, *paths)


def test_file_has_its_name_and_mode(
    vault: MemoryApplication, files: FileCipher, folder: Path, clock: Clock
) -> None:
    writer = make_writer(vault, files, folder, clock, random=lambda size: b"\xab" * size)
    writer.write(b"one")
    (file,) = folder.iterdir()
    assert file.name == "access-20260921T141320Z-abababab-000001.log.encrypted"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_closed_log_is_read_without_a_remark(
    writer: LogWriter, files: FileCipher, folder: Path
) -> None:
    for record in (b"one", b"two"):
        writer.write(record)
    found = close_and_read(writer, files, folder)
    assert (found.records, found.said, found.has_fault) == (["one", "two"], [], False)


def test_record_is_in_the_file_when_write_returns(
    writer: LogWriter, files: FileCipher, folder: Path
) -> None:
    for number in range(3):
        writer.write(b"%d" % number)
        assert read_log(files, folder).records == [str(each) for each in range(number + 1)]


def test_no_plaintext_is_in_the_folder(writer: LogWriter, folder: Path) -> None:
    writer.write(b"ada@example.com")
    writer.close()
    assert all(b"ada@" not in file.read_bytes() for file in folder.iterdir())


def test_writer_sends_one_request_for_all_its_files(
    vault: MemoryApplication, files: FileCipher, folder: Path, clock: Clock
) -> None:
    writer = make_writer(vault, files, folder, clock, Rotation(max_bytes=1))
    writer.write(b"one")
    with vault.fault(Fault.UNREACHABLE):
        writer.write(b"two")
    assert close_and_read(writer, files, folder).said == []
    assert names(folder) == ["access-000001.log.encrypted", "access-000002.log.encrypted"]


def test_file_beyond_its_size_is_closed_before_the_next_one(
    vault: MemoryApplication, files: FileCipher, folder: Path, clock: Clock
) -> None:
    writer = make_writer(vault, files, folder, clock, Rotation(max_bytes=HEADER_SIZE + 100))
    for number in range(5):
        writer.write(b"%036d" % number)  # 56 bytes with its frame, so that one fits
    before = {path: path.read_bytes() for path in find_files([folder])[:-1]}
    writer.write(b"more")
    writer.close()
    assert {path: path.read_bytes() for path in before} == before
    found = read_log(files, folder)
    assert (len(found.records), found.said) == (6, [])
    assert len(names(folder)) == 5
    assert all(path.stat().st_size <= HEADER_SIZE + 100 + 20 for path in folder.iterdir())


def test_file_beyond_its_age_is_closed_before_the_next_one(
    vault: MemoryApplication, files: FileCipher, folder: Path, clock: Clock
) -> None:
    writer = make_writer(vault, files, folder, clock, Rotation(max_age=60))
    for now in (0.0, 59.9, 60.0, 119.0, 120.1):
        clock.now = now
        writer.write(b"%.1f" % now)
    assert close_and_read(writer, files, folder).said == []
    assert len(names(folder)) == 3


@pytest.mark.parametrize(
    "limits", [{"max_bytes": 0}, {"max_bytes": 2**36 + 1}, {"max_age": 0}, {"max_age": -1}]
)
def test_rotation_without_a_usable_limit_is_rejected(limits: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(limits))):
        Rotation(**limits)


@pytest.mark.parametrize("suffix", ["", ".1"])
def test_moved_file_is_closed_and_the_next_one_starts(
    writer: LogWriter, files: FileCipher, folder: Path, clock: Clock, suffix: str, tmp_path: Path
) -> None:
    writer.write(b"one")
    (file,) = folder.iterdir()
    moved = file.rename((folder if suffix else tmp_path) / (file.name + suffix))
    writer.write(b"two")  # within the interval it goes to the moved file
    clock.now += CHECK_INTERVAL
    writer.write(b"three")
    found = close_and_read(writer, files, moved, folder)
    assert (found.records, found.said) == (["one", "two", "three"], [])


def test_removed_file_is_missing_and_the_next_one_starts(
    writer: LogWriter, files: FileCipher, folder: Path, clock: Clock
) -> None:
    writer.write(b"one")
    next(folder.iterdir()).unlink()
    clock.now += CHECK_INTERVAL
    writer.write(b"two")
    found = close_and_read(writer, files, folder)
    assert (found.records, found.has_fault) == (["two"], True)
    assert re.fullmatch(r"log access, writer [0-9a-f]{8}: file 1 is missing", found.said[0])


def test_truncated_file_is_left_and_the_next_one_starts(
    writer: LogWriter, files: FileCipher, folder: Path, clock: Clock
) -> None:
    writer.write(b"one")
    (file,) = folder.iterdir()
    shutil.copy(file, folder / "copy")
    os.truncate(file, 0)
    clock.now += CHECK_INTERVAL
    writer.write(b"two")
    writer.close()
    assert file.stat().st_size == 0
    found = read_log(files, folder)
    assert (found.records, found.has_fault) == (["two"], True)
    assert any("header is incomplete" in each for each in found.said)


def test_short_write_is_cut_off_and_the_next_file_starts(
    writer: LogWriter, files: FileCipher, folder: Path
) -> None:
    writer.write(b"one")
    with limited_size(HEADER_SIZE + 100), pytest.raises(OSError, match=r"space|large"):
        writer.write(b"x" * 200)
    writer.write(b"two")
    found = close_and_read(writer, files, folder)
    assert (found.records, found.said, found.has_fault) == (["one", "two"], [], False)
    assert len(names(folder)) == 2


def test_short_write_without_room_for_the_last_frame_is_reported(
    writer: LogWriter, files: FileCipher, folder: Path
) -> None:
    writer.write(b"one")
    with limited_size(HEADER_SIZE + 30), pytest.raises(OSError, match=r"space|large"):
        writer.write(b"two")
    with limited_size(HEADER_SIZE + 30):
        writer.close()
    writer.write(b"three")
    found = close_and_read(writer, files, folder)
    assert (found.records, found.has_fault) == (["one", "three"], True)
    assert [each.partition(": ")[2] for each in found.said] == [
        "is not closed, but its writer went on in another file"
    ]


def test_file_whose_header_cannot_be_written_leaves_nothing(
    writer: LogWriter, files: FileCipher, folder: Path
) -> None:
    for _ in range(2):
        with limited_size(1000), pytest.raises(OSError, match=r"space|large"):
            writer.write(b"one")
        assert list(folder.iterdir()) == []
    writer.write(b"two")
    found = close_and_read(writer, files, folder)
    assert (found.records, found.said) == (["two"], [])
    assert names(folder) == ["access-000001.log.encrypted"]


@pytest.mark.parametrize("record", [b"", bytes(MAX_RECORD + 1)])
def test_record_of_a_wrong_size_raises_and_nothing_is_lost(
    writer: LogWriter, files: FileCipher, folder: Path, record: bytes
) -> None:
    writer.write(b"one")
    with pytest.raises(ValueError, match="a record has"):
        writer.write(record)
    writer.write(b"two")
    found = close_and_read(writer, files, folder)
    assert (found.records, found.said) == (["one", "two"], [])


def test_interrupt_after_a_write_never_uses_a_counter_twice(
    writer: LogWriter, files: FileCipher, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt between the write and the next line leaves the file's state unknown."""
    writer.write(b"one")
    write = os.write

    def interrupted(descriptor: int, data: bytes) -> int:
        write(descriptor, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.write(b"two")
    monkeypatch.undo()
    writer.write(b"three")
    found = close_and_read(writer, files, folder)
    assert (found.records, found.said) == (["one", "three"], [])
    assert len(names(folder)) == 2


def test_write_within_a_write_of_the_same_thread_is_refused(
    writer: LogWriter, files: FileCipher, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, nested = os.write, list[type[Exception]]()

    def reentrant(descriptor: int, data: bytes) -> int:
        with pytest.raises(WriterBusy) as caught:
            writer.write(b"nested")
        nested.append(caught.type)
        writer.close()
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", reentrant)
    writer.write(b"one")
    monkeypatch.undo()
    writer.close()
    assert nested == [WriterBusy, WriterBusy]  # for the header and the frame
    assert read_log(files, folder).records == ["one"]


def test_threads_write_whole_records(
    vault: MemoryApplication, files: FileCipher, folder: Path, clock: Clock
) -> None:
    writer = make_writer(vault, files, folder, clock, Rotation(max_bytes=HEADER_SIZE + 1000))

    def work(name: int) -> None:
        for number in range(100):
            writer.write(b"%d %d" % (name, number))

    with ThreadPoolExecutor(4) as pool:
        deque(pool.map(work, range(4)))
    found = close_and_read(writer, files, folder)
    assert found.said == []
    assert sorted(found.records) == sorted(f"{a} {b}" for a in range(4) for b in range(100))
    for name in range(4):
        own = [record for record in found.records if record.startswith(f"{name} ")]
        assert own == [f"{name} {number}" for number in range(100)]


def test_forked_child_writes_a_file_of_its_own_without_a_request(
    vault: MemoryApplication, writer: LogWriter, files: FileCipher, folder: Path
) -> None:
    writer.write(b"parent")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with vault.fault(Fault.UNREACHABLE):
                writer.write(b"child")
                writer.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    writer.write(b"parent again")
    found = close_and_read(writer, files, folder)
    assert (sorted(found.records), found.said) == (["child", "parent", "parent again"], [])
    assert names(folder) == ["access-000001.log.encrypted"] * 2


def test_writer_without_its_key_service_raises_and_goes_on_later(
    vault: MemoryApplication, writer: LogWriter, files: FileCipher, folder: Path
) -> None:
    with vault.fault(Fault.UNREACHABLE), pytest.raises(KeyUnavailable):
        writer.write(b"one")
    assert list(folder.iterdir()) == []
    writer.write(b"two")
    assert read_log(files, folder).records == ["two"]
