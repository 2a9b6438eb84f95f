"""Ingest of logs: each line once, over rotation, copies, kills and an ingest at the same time."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from app_integration.errors import ConfigurationError
from tests.unit.vault.audit.conftest import LineMaker
from vault.audit.damage import Damage, Reason
from vault.audit.ingest import ingestion, piece, store_writer
from vault.audit.ingest.conversion import Converted, Converter, open_converter
from vault.audit.ingest.index import Index
from vault.audit.ingest.ingestion import Ingested, ingest
from vault.audit.ingest.source import Source, device_name
from vault.audit.store import INDEX, STORE, open_store
from vault.owned_folder import create


def _ingest(folder: Path, *names: str) -> Ingested:
    sources = [Source.server_log(folder / name) for name in names]
    return ingest(sources, folder / "store")


def _count(folder: Path) -> list[tuple[str, int, int]]:
    with open_store(folder / "store") as connection:
        return connection.execute(
            "SELECT device, count(*), count(DISTINCT request_id) FROM lines GROUP BY 1 ORDER BY 1"
        ).fetchall()


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "store").glob("*/*.parquet"))


@pytest.fixture
def log(tmp_path: Path, line: LineMaker) -> Path:
    """Return a log of ten lines."""
    path = tmp_path / "audit-1.log"
    path.write_bytes(_lines(line, 0, 10))
    return path


def _lines(line: LineMaker, first: int, end: int) -> bytes:
    return b"".join(line(number) + b"\n" for number in range(first, end))


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("audit-1.log", "audit-1"),
        ("audit-1.log.1", "audit-1"),
        ("audit-1.log.20261128T041518Z.zst", "audit-1"),
        ("audit-1-20261128T041518Z.log.zst", "audit-1"),
        ("main.20261128.log.gz", "main"),
        ("20261128.log", "20261128"),
        ("audit", "audit"),
    ],
)
def test_device_is_the_stem_of_the_file(name: str, device: str) -> None:
    assert device_name(name) == device


def test_lines_have_columns_of_the_store(tmp_path: Path, log: Path) -> None:
    _ingest(tmp_path, log.name)
    with open_store(tmp_path / "store") as connection:
        found = connection.execute(
            "SELECT outcome, actor, version, host, time::VARCHAR FROM events ORDER BY time LIMIT 1"
        ).fetchall()
    assert found == [("ok", "shop-dev", 3, "web-1", "2026-11-28 04:00:00.1234567")]


def test_live_log_is_read_up_to_its_last_newline(
    tmp_path: Path, log: Path, line: LineMaker
) -> None:
    _append(log, line(10)[:50])
    assert _ingest(tmp_path, log.name).new_lines == 10
    assert _ingest(tmp_path, log.name).new_lines == 0
    _append(log, line(10)[50:] + b"\n" + line(11))
    again = _ingest(tmp_path, log.name)
    assert (again.new_lines, again.lines, again.damage) == (1, 11, ())


def test_unchanged_file_is_not_opened(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ingest(tmp_path, log.name)
    monkeypatch.setattr(ingestion, "open_log", None)
    assert _ingest(tmp_path, log.name).new_lines == 0


@pytest.mark.parametrize("compress", [None, gzip.compress, zstandard.ZstdCompressor().compress])
def test_rotated_log_goes_on_where_it_was_read(
    tmp_path: Path, log: Path, line: LineMaker, compress: object
) -> None:
    _ingest(tmp_path, log.name)
    _append(log, _lines(line, 10, 12))
    rotated = log.rename(tmp_path / "audit-1-20261128.log")
    log.write_bytes(_lines(line, 12, 15))
    if callable(compress):
        rotated.write_bytes(compress(rotated.read_bytes()))
    assert _ingest(tmp_path, rotated.name, log.name).new_lines == 5
    assert _ingest(tmp_path, rotated.name, log.name).new_lines == 0
    assert _count(tmp_path) == [("audit-1", 15, 15)]
    # One file for the log that has ended, one for that which is live.
    assert len(_files(tmp_path)) == 2


def test_copies_of_a_log_are_the_same_log(tmp_path: Path, log: Path) -> None:
    shutil.copy(log, tmp_path / "copy.log")
    (tmp_path / "audit-1.log.gz").write_bytes(gzip.compress(log.read_bytes()))
    found = _ingest(tmp_path, log.name, "copy.log", "audit-1.log.gz")
    assert (found.new_lines, found.damage) == (10, ())
    assert _count(tmp_path) == [("audit-1", 10, 10)]


def test_file_truncated_in_place_is_a_new_log(tmp_path: Path, log: Path, line: LineMaker) -> None:
    _ingest(tmp_path, log.name)
    inode = log.stat().st_ino
    log.write_bytes(_lines(line, 20, 40))  # longer than before
    assert log.stat().st_ino == inode
    assert _ingest(tmp_path, log.name).new_lines == 20


def test_log_that_became_shorter_is_named_once(tmp_path: Path, log: Path, line: LineMaker) -> None:
    _ingest(tmp_path, log.name)
    size = log.stat().st_size
    log.write_bytes(_lines(line, 0, 3))
    found = _ingest(tmp_path, log.name)
    assert [each.damage for each in found.damage] == [Damage(11, size, Reason.CUT)]
    os.utime(log)
    assert _ingest(tmp_path, log.name).damage == ()


def test_inode_used_again_is_a_new_log(tmp_path: Path, log: Path, line: LineMaker) -> None:
    _ingest(tmp_path, log.name)
    found = Index.load(tmp_path / "store")
    (entry,) = found.logs.values()
    log.unlink()
    log.write_bytes(_lines(line, 20, 30))
    # The file system may or may not have used the inode again, so the index says that it did.
    new = log.stat()
    entry.stamps = {str(log): (new.st_dev, new.st_ino, new.st_size, 0)}
    found.save()
    assert _ingest(tmp_path, log.name).new_lines == 10


def test_torn_end_of_a_rotated_log_is_named_once(
    tmp_path: Path, log: Path, line: LineMaker
) -> None:
    size = log.stat().st_size
    _append(log, line(10)[:50])
    rotated = log.rename(tmp_path / "audit-1-20261128.log")
    assert _ingest(tmp_path, rotated.name).damage == ()  # it may go on
    log.write_bytes(_lines(line, 20, 22))
    found = _ingest(tmp_path, rotated.name, log.name)
    assert [str(each) for each in found.damage] == [f"{rotated}: line 11 (byte {size}): torn"]
    assert _ingest(tmp_path, rotated.name, log.name).damage == ()


def test_devices_are_told_apart(tmp_path: Path, log: Path, line: LineMaker) -> None:
    other = tmp_path / "audit-2.log"
    other.write_bytes(line(50) + b"\n" + log.read_bytes())
    _ingest(tmp_path, log.name, other.name)
    assert _count(tmp_path) == [("audit-1", 10, 10), ("audit-2", 11, 11)]
    with open_store(tmp_path / "store") as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (11,)


def test_file_without_a_complete_line_is_left(tmp_path: Path, line: LineMaker) -> None:
    for name, data in (("audit-1.log", b""), ("audit-2.log", line(1))):
        (tmp_path / name).write_bytes(data)
    assert _ingest(tmp_path, "audit-1.log", "audit-2.log").new_lines == 0


def test_pieces_of_a_large_log_lose_no_line(
    tmp_path: Path, log: Path, line: LineMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion, "PIECE", 5000)
    data = _lines(line, 0, 100) + line(1)[:40] + b"\n" + _lines(line, 100, 200)
    log.write_bytes(data)
    found = _ingest(tmp_path, log.name)
    assert found.new_lines == 200
    assert [each.damage.line for each in found.damage] == [101]
    assert _count(tmp_path) == [("audit-1", 200, 200)]
    assert len(_files(tmp_path)) == 1  # merged, because they were many


def test_line_longer_than_a_piece_stays_whole(tmp_path: Path, line: LineMaker) -> None:
    lines = [line(1), line(2, error="x" * 10_000), line(3)]
    data = b"\n".join(lines) + b"\n"
    blocks = [data[at : at + 700] for at in range(0, len(data), 700)]
    read = []
    for each in piece.write_pieces(blocks, tmp_path / "piece", lambda: False, limit=1000):
        read.append(each.path.read_bytes())
        assert (each.size, each.lines) == (len(read[-1]), read[-1].count(b"\n"))
        assert read[-1].endswith(b"\n")
    assert b"".join(read) == data


def test_file_that_grows_while_it_is_read_loses_and_doubles_nothing(
    tmp_path: Path, log: Path, line: LineMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = Converter.convert

    def grow(self: Converter, source: Path, *arguments: Any) -> Converted | None:
        if source.name.isdigit():  # the file itself, and not a copy of a piece
            _append(log, line(10) + b"\n")
        return convert(self, source, *arguments)

    monkeypatch.setattr(Converter, "convert", grow)
    found = _ingest(tmp_path, log.name).new_lines + _ingest(tmp_path, log.name).new_lines
    assert found == 11
    assert _count(tmp_path) == [("audit-1", 11, 11)]


def test_pieces_of_a_live_log_are_merged_when_there_are_many(
    tmp_path: Path, log: Path, line: LineMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_writer, "MAX_PARTS", 3)
    counts = []
    for number in range(10, 17):
        _append(log, line(number) + b"\n")
        _ingest(tmp_path, log.name)
        counts.append(len(_files(tmp_path)))
    assert counts == [1, 2, 3, 1, 2, 3, 1]
    assert _count(tmp_path) == [("audit-1", 17, 17)]


def test_merge_waits_for_a_reader(
    tmp_path: Path, log: Path, line: LineMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ingest(tmp_path, log.name)
    _append(log, line(10) + b"\n")
    (tmp_path / "audit-1-20261128.log.gz").write_bytes(gzip.compress(log.read_bytes()))
    waits, steps, whole = threading.Event(), list[str](), store_writer.StoreWriter._without_readers

    @contextmanager
    def without_readers(writer: store_writer.StoreWriter, *, wait: bool = True) -> Iterator[None]:
        if wait:
            waits.set()
        with whole(writer, wait=wait):
            steps.append("alone")
            yield

    monkeypatch.setattr(store_writer.StoreWriter, "_without_readers", without_readers)
    thread = threading.Thread(target=_ingest, args=(tmp_path, "audit-1-20261128.log.gz"))
    with open_store(tmp_path / "store") as connection:
        thread.start()
        assert waits.wait(10)
        assert connection.execute("SELECT count(DISTINCT request_id) FROM lines").fetchone()
        steps.append("read")
    thread.join(10)
    assert steps[:2] == ["read", "alone"]
    assert len(_files(tmp_path)) == 1
    assert _count(tmp_path) == [("audit-1", 11, 11)]


def test_old_lines_are_dropped_by_file_and_not_ingested_again(
    tmp_path: Path, log: Path, line: LineMaker
) -> None:
    other = tmp_path / "audit-2.log"
    other.write_bytes(line(1, time="2026-12-24T00:00:00Z") + b"\n")
    sources = [Source.server_log(log), Source.server_log(other)]
    now = datetime(2026, 12, 25, tzinfo=UTC)
    found = ingest(sources, tmp_path / "store", now=now, keep=timedelta(days=7))
    assert (found.new_lines, found.dropped, found.lines) == (11, 10, 1)
    os.utime(log)
    found = ingest(sources, tmp_path / "store", now=now, keep=timedelta(days=7))
    assert (found.new_lines, found.dropped, found.lines) == (0, 0, 1)
    assert len(_files(tmp_path)) == 1


def test_store_is_readable_by_its_owner_only(tmp_path: Path, log: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o755)
    _ingest(tmp_path, log.name)
    found = [path for path in (tmp_path / "store").rglob("*") if path.stat().st_mode & 0o077]
    assert found == []
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", ["[", "[]", "{}", '{"format":1,"logs":{"a":{}}}'])
def test_damaged_index_is_refused(tmp_path: Path, log: Path, content: str) -> None:
    create(tmp_path / "store", STORE)
    (tmp_path / "store" / INDEX).write_text(content)
    with pytest.raises(ConfigurationError, match=r"index\.json is not an index; move"):
        _ingest(tmp_path, log.name)


def test_newer_index_is_refused(tmp_path: Path, log: Path) -> None:
    create(tmp_path / "store", STORE)
    (tmp_path / "store" / INDEX).write_text('{"format": 9}')
    with pytest.raises(ConfigurationError, match="has format 9, but this version reads 1"):
        _ingest(tmp_path, log.name)


_WORKER = """
import os, signal, sys
from pathlib import Path
from vault.audit.ingest import ingestion, log_file
from vault.audit.ingest.source import Source
ingestion.PIECE = log_file._BLOCK = 20_000
store, log, left = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def kill(event, arguments):
    global left
    if event in {"os.rename", "os.remove"}:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
print(ingestion.ingest([Source.server_log(log)], store).new_lines)
"""


def _start(folder: Path, log: Path, killed_at: int = 0) -> subprocess.Popen[str]:
    """Start an ingest, which is killed before its *killed_at*th change of a name, if not 0."""
    command = [sys.executable, "-c", _WORKER, str(folder / "store"), str(log), str(killed_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_ingests_at_once_double_nothing(tmp_path: Path, line: LineMaker) -> None:
    log = tmp_path / "audit-1.log"
    log.write_bytes(_lines(line, 0, 2000) + b"{\n")
    both = [_start(tmp_path, log) for _ in range(2)]
    found = sorted(int(each.communicate(timeout=60)[0]) for each in both)
    assert found == [0, 2000]
    assert _count(tmp_path) == [("audit-1", 2000, 2000)]


def test_killed_ingest_loses_and_doubles_nothing(tmp_path: Path, line: LineMaker) -> None:
    log = tmp_path / "audit-1.log"
    log.write_bytes(_lines(line, 0, 2000) + b"{\n" + _lines(line, 2000, 2010))
    for killed_at in (1, 2, 3, 20):
        process = _start(tmp_path, log, killed_at)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
    assert 0 < _ingest(tmp_path, log.name).new_lines < 2010
    assert _count(tmp_path) == [("audit-1", 2010, 2010)]
    index = Index.load(tmp_path / "store")
    assert set(index.files()) == set(_files(tmp_path))
    assert list((tmp_path / "store" / "temporary").iterdir()) == []


@pytest.mark.parametrize("step", ["_publish", "save", "unlink"])
def test_ingest_killed_between_two_steps_loses_and_doubles_nothing(
    tmp_path: Path, log: Path, line: LineMaker, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop at each step of a commit and of a merge, as a kill would."""
    monkeypatch.setattr(store_writer, "MAX_PARTS", 2)
    owner = {"_publish": store_writer.StoreWriter, "save": Index, "unlink": Path}[step]
    whole = getattr(owner, step)
    number = 10
    for stop_at in range(1, 6):
        _append(log, _lines(line, number, number + 1))
        number += 1
        calls = iter(range(1, 1000))

        def stop(*arguments: object, **options: object) -> object:
            result = whole(*arguments, **options)
            if next(calls) == stop_at:  # noqa: B023 (called in this turn)
                raise KeyboardInterrupt
            return result

        with monkeypatch.context() as patch:
            patch.setattr(owner, step, stop)
            with suppress(KeyboardInterrupt):
                _ingest(tmp_path, log.name)
        _ingest(tmp_path, log.name)
        assert _count(tmp_path) == [("audit-1", number, number)]
        assert set(Index.load(tmp_path / "store").files()) == set(_files(tmp_path))


def test_ingest_keeps_the_temporary_files_of_a_reader(
    tmp_path: Path, log: Path, line: LineMaker
) -> None:
    _ingest(tmp_path, log.name)
    with open_store(tmp_path / "store") as connection:
        ((folder,),) = connection.execute("SELECT current_setting('temp_directory')").fetchall()
        file = Path(folder) / "duckdb_temp_storage"
        file.parent.mkdir(exist_ok=True)
        file.touch()
        _append(log, line(10) + b"\n")
        assert _ingest(tmp_path, log.name).new_lines == 1
        assert file.exists()
    _ingest(tmp_path, log.name)  # after a reader that was killed
    assert not file.exists()


def test_damaged_file_of_the_store_is_named(tmp_path: Path, log: Path) -> None:
    _ingest(tmp_path, log.name)
    (file,) = _files(tmp_path)
    file.write_bytes(b"")
    with (
        pytest.raises(ConfigurationError, match="; move the folder away, and ingest"),
        open_store(tmp_path / "store"),
    ):
        pass


def test_foreign_file_of_the_store_is_named_and_stays(tmp_path: Path, log: Path) -> None:
    _ingest(tmp_path, log.name)
    foreign = tmp_path / "store" / "events" / "figures.parquet"
    foreign.write_bytes(b"PAR1")
    with (
        pytest.raises(ConfigurationError, match=f"{foreign} is no file of this store; move it out"),
        open_store(tmp_path / "store"),
    ):
        pass
    _ingest(tmp_path, log.name)
    assert foreign.read_bytes() == b"PAR1"


def test_store_with_a_link_in_place_of_a_folder_is_refused(tmp_path: Path, log: Path) -> None:
    _ingest(tmp_path, log.name)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / "store" / "temporary").rmdir()
    (tmp_path / "store" / "temporary").symlink_to(kept)
    with pytest.raises(ConfigurationError, match="temporary is a symlink or a file in place of a"):
        _ingest(tmp_path, log.name)
    assert (kept / "file").is_file()


def test_merge_that_fails_says_where(tmp_path: Path) -> None:
    with (
        open_converter(tmp_path) as converter,
        pytest.raises(ConfigurationError, match=r"cannot write a file .*; check the free space"),
    ):
        converter.merge([tmp_path / "missing.parquet"], tmp_path / "merged.parquet")
