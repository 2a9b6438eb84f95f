"""Reader of encrypted logs: merged by time, complete, and nothing altered goes unnoticed."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import zstandard

from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.errors import AccessDenied
from app_integration.names import Environment, Scope
from app_integration.observability.log_reader import LogReader, find_files, find_time
from app_integration.observability.log_writer import LogPlace, LogWriter, Rotation
from app_integration.testing.application import MemoryApplication
from app_integration.testing.faults import Fault
from tests.support.models.encrypted_logs import HEADER_SIZE, read_log

NOON: Final = 1_790_000_000.0  # 2026-09-21T14:13:20Z

Make = Callable[..., LogWriter]


@pytest.fixture
def make(vault: MemoryApplication, files: FileCipher, folder: Path) -> Make:
    def make(name: str = "access", *, max_bytes: int = 2**20) -> LogWriter:
        place = LogPlace(vault.scope, folder, name)
        return LogWriter(place, files.new_file_key, Rotation(max_bytes))

    return make


def write_three_files(make: Make, folder: Path) -> list[Path]:
    """Write one record into each of three files of one writer."""
    writer = make(max_bytes=1)
    for record in (b"one", b"two", b"three"):
        writer.write(record)
    writer.close()
    return find_files([folder])


def test_records_of_several_writers_are_merged_by_time(
    make: Make, files: FileCipher, folder: Path
) -> None:
    first, second = make(), make("app", max_bytes=1)
    first.write(b'{"time":"2026-09-21T12:00:01.500+00:00","secret":"a"}')
    second.write(b"2026-09-21 12:00:00,250 INFO b")
    second.write(b"  follows the one before")
    first.write(b'{"time":"2026-09-21T12:00:04.000+00:00","secret":"c"}')
    second.write(b"2026-09-21 12:00:03,000 INFO d")
    first.close()
    second.close()
    found = [record.strip('{}" ')[-1] for record in read_log(files, folder).records]
    assert found == ["b", "e", "a", "d", "c"]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b"2026-09-21T14:13:20Z started", NOON),
        (b"[2026-09-21 14:13:20,500] started", NOON + 0.5),
        (b"2026-09-21 16:13:20+02:00 started", NOON),
        (b'{"level": "info", "timestamp": "2026-09-21T14:13:20.25Z"}', NOON + 0.25),
        (b'{"time":"2026-09-21T14:13:20.000+00:00","service":"shop"}', NOON),
        (b"started at 2026-09-21T14:13:20Z", None),
        (b"2026-13-41T99:13:20Z", None),
        (b"", None),
        (b"\xff\xfe", None),
    ],
)
def test_find_time_returns_the_time_of_a_record(record: bytes, expected: float | None) -> None:
    assert find_time(record) == expected


def test_missing_file_between_two_others_is_reported(
    make: Make, files: FileCipher, folder: Path
) -> None:
    paths = write_three_files(make, folder)
    paths[1].unlink()
    for read in ([folder], [paths[0], paths[2]]):
        found = read_log(files, *read)
        assert (found.records, found.has_fault) == (["one", "three"], True)
        assert found.said[0].endswith(": file 2 is missing")


def test_missing_first_files_are_reported_for_a_folder_only(
    make: Make, files: FileCipher, folder: Path
) -> None:
    paths = write_three_files(make, folder)
    assert read_log(files, paths[2]).said == []
    paths[0].unlink()
    paths[1].unlink()
    found = read_log(files, folder)
    assert found.has_fault
    assert found.said[0].endswith(": files 1 to 2 are missing")


def test_open_file_is_reported_and_no_fault(make: Make, files: FileCipher, folder: Path) -> None:
    writer = make()
    writer.write(b"one")
    found = read_log(files, folder)
    assert (found.records, found.has_fault) == (["one"], False)
    assert "is not closed: its process still writes it, or was killed" in found.said[0]


def test_file_that_ends_within_a_record_is_a_fault(
    make: Make, files: FileCipher, folder: Path
) -> None:
    writer = make()
    for record in (b"one", b"two"):
        writer.write(record)
    (path,) = find_files([folder])
    os.truncate(path, path.stat().st_size - 1)
    found = read_log(files, folder)
    assert (found.records, found.has_fault) == (["one"], True)
    assert "its last record is incomplete: 22 bytes" in found.said[0]


def test_closed_file_without_its_end_is_a_fault_if_another_follows(
    make: Make, files: FileCipher, folder: Path
) -> None:
    paths = write_three_files(make, folder)
    os.truncate(paths[0], paths[0].stat().st_size - 20)
    found = read_log(files, folder)
    assert (found.records, found.has_fault) == (["one", "two", "three"], True)
    assert "is not closed, but its writer went on" in found.said[0]


@pytest.mark.parametrize("size", [0, 1, HEADER_SIZE - 1])
def test_file_without_a_whole_header_is_a_fault(
    make: Make, files: FileCipher, folder: Path, size: int
) -> None:
    make().write(b"one")
    (path,) = find_files([folder])
    os.truncate(path, size)
    found = read_log(files, folder)
    assert (found.records, found.has_fault) == ([], True)
    assert "its header is incomplete" in found.said[0]


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (0, "its header is not that of a log"),
        (60, "is altered"),  # in the context
        (-25, "is altered after record 0"),
        (-1, "is altered after record 1"),
    ],
)
def test_changed_byte_is_a_fault_and_other_files_are_read(
    make: Make, files: FileCipher, folder: Path, position: int, text: str
) -> None:
    paths = write_three_files(make, folder)
    data = bytearray(paths[1].read_bytes())
    data[position] ^= 1
    paths[1].write_bytes(data)
    found = read_log(files, folder)
    assert found.has_fault
    assert any(text in each and paths[1].name in each for each in found.said)
    assert found.records[0] == "one"
    assert found.records[-1] == "three"


def test_appended_bytes_are_a_fault(make: Make, files: FileCipher, folder: Path) -> None:
    paths = write_three_files(make, folder)
    with paths[2].open("ab") as file:
        file.write(b"\0" * 40)
    found = read_log(files, folder)
    assert found.records == ["one", "two", "three"]
    assert found.said == [f"{paths[2]}: is altered: bytes follow its end, after record 1"]


def test_copied_file_is_a_fault_and_read_once(make: Make, files: FileCipher, folder: Path) -> None:
    paths = write_three_files(make, folder)
    copy = folder / f"zzz{paths[1].name}"
    copy.write_bytes(paths[1].read_bytes())
    found = read_log(files, folder)
    assert found.records == ["one", "two", "three"]
    assert found.said == [f"{copy}: is a second file in the place of {paths[1].name}"]


def test_file_of_another_service_is_a_fault(make: Make, files: FileCipher, folder: Path) -> None:
    write_three_files(make, folder)
    found = read_log(files, folder, scope=Scope("other", Environment.PROD))
    assert (found.records, found.has_fault) == ([], True)
    assert all(each.endswith("is not a log of other-prod") for each in found.said)


def test_other_files_of_a_folder_are_ignored(make: Make, files: FileCipher, folder: Path) -> None:
    paths = write_three_files(make, folder)
    (folder / "notes.txt").write_text("not a log")
    paths[0].rename(f"{paths[0]}.1")
    found = read_log(files, folder)
    assert (found.records, found.said) == (["one", "two", "three"], [])


def test_reader_without_the_right_to_decrypt_raises(
    vault: MemoryApplication, make: Make, files: FileCipher, folder: Path
) -> None:
    write_three_files(make, folder)
    with vault.fault(Fault.DENIED, "transit/decrypt"), pytest.raises(AccessDenied):
        read_log(files, folder)


def test_folder_without_a_log_is_a_fault(make: Make, files: FileCipher, folder: Path) -> None:
    make().write(b"one")
    other = folder / "other"
    other.mkdir()
    found = read_log(files, folder, other)
    assert (found.records, found.has_fault) == (["one"], True)
    assert any(f"{other}: has no encrypted log" in each for each in found.said)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_compressed_file_is_named_as_one_and_not_as_altered(
    make: Make, files: FileCipher, folder: Path, compress: Callable[[bytes], bytes]
) -> None:
    path = write_three_files(make, folder)[0]
    path.with_name(f"{path.name}.compressed").write_bytes(compress(path.read_bytes()))
    path.unlink()
    found = read_log(files, folder)
    assert (found.records, found.has_fault) == (["two", "three"], True)
    (said,) = [each for each in found.said if ".compressed: " in each]
    assert said.endswith(": is compressed; decompress it, and read that file")


def test_missing_path_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_files([tmp_path / "missing.log.encrypted"])


def test_read_new_follows_appends_new_files_and_renames(
    make: Make, files: FileCipher, folder: Path
) -> None:
    said: list[str] = []
    reader = LogReader([folder], files.unwrap, said.append)
    assert list(reader.read()) == []
    writer = make(max_bytes=HEADER_SIZE + 60)
    writer.write(b"one")
    assert reader.read_new() == [b"one"]
    writer.write(b"two")
    (path,) = find_files([folder])
    path.rename(f"{path}.1")
    writer.write(b"x" * 60)
    another = make("app")
    another.write(b"other")
    assert sorted(reader.read_new()) == [b"other", b"two", b"x" * 60]
    assert reader.read_new() == []
    assert said == []
    writer.close()
    another.close()
    assert reader.read_new() == []
    reader.finish()
    assert (said, reader.has_fault) == ([], False)


def test_read_new_reports_a_file_that_stays_missing_once(
    make: Make, files: FileCipher, folder: Path
) -> None:
    said: list[str] = []
    reader = LogReader([folder], files.unwrap, said.append)
    paths = write_three_files(make, folder)
    paths[1].rename(folder.parent / "elsewhere")
    assert reader.read_new() == [b"one", b"three"]
    assert said == []
    for _ in range(3):
        assert reader.read_new() == []
    assert len(said) == 1
    assert said[0].endswith("file 2 is missing")


def test_read_new_of_a_file_that_was_cut_reports_it(
    make: Make, files: FileCipher, folder: Path
) -> None:
    said: list[str] = []
    reader = LogReader([folder], files.unwrap, said.append)
    make().write(b"one")
    assert reader.read_new() == [b"one"]
    (path,) = find_files([folder])
    os.truncate(path, HEADER_SIZE)
    assert reader.read_new() == []
    assert said == [f"{path}: was cut while it was read"]
