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
from tests.unit.vault.audit.conftest import line
from vault.audit.damage import Damage, Reason
from vault.audit.ingest import ingestion, piece, store_writer
from vault.audit.ingest.conversion import Converted, Converter, open_converter
from vault.audit.ingest.index import Index
from vault.audit.ingest.ingestion import Ingested, ingest
from vault.audit.ingest.source import Source, device_name
from vault.audit.store import INDEX, STORE, open_store
from vault.owned_folder import create


def _store(log: Path) -> Path:
    return log.parent / "store"


def _ingest(*logs: Path) -> Ingested:
    return ingest(map(Source.server_log, logs), _store(logs[0]))


def _count(log: Path) -> list[tuple[str, int, int]]:
    with open_store(_store(log)) as connection:
        return connection.execute(
            "SELECT device, count(*), count(DISTINCT request_id) FROM lines GROUP BY 1 ORDER BY 1"
        ).fetchall()


def _files(log: Path) -> list[Path]:
    return sorted(_store(log).glob("*/*.parquet"))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of ten lines."""
    path = tmp_path / "audit-1.log"
    path.write_bytes(_lines(0, 10))
    return path


def _lines(first: int, end: int) -> bytes:
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


def test_lines_have_columns_of_the_store(log: Path) -> None:
    _ingest(log)
    with open_store(_store(log)) as connection:
        found = connection.execute(
            "SELECT outcome, actor, version, host, time::VARCHAR FROM events ORDER BY time LIMIT 1"
        ).fetchall()
    assert found == [("ok", "shop-dev", 3, "web-1", "2026-11-28 04:00:00.1234567")]


def test_live_log_is_read_up_to_its_last_newline(log: Path) -> None:
    _append(log, line(10)[:50])
    assert _ingest(log).new_lines == 10
    assert _ingest(log).new_lines == 0
    _append(log, line(10)[50:] + b"\n" + line(11))
    again = _ingest(log)
    assert (again.new_lines, again.lines, again.damage) == (1, 11, ())


def test_unchanged_file_is_not_opened(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _ingest(log)
    monkeypatch.setattr(ingestion, "open_log", None)
    assert _ingest(log).new_lines == 0


@pytest.mark.parametrize("compress", [None, gzip.compress, zstandard.ZstdCompressor().compress])
def test_rotated_log_goes_on_where_it_was_read(log: Path, compress: object) -> None:
    _ingest(log)
    _append(log, _lines(10, 12))
    rotated = log.rename(log.with_name("audit-1-20261128.log"))
    log.write_bytes(_lines(12, 15))
    if callable(compress):
        rotated.write_bytes(compress(rotated.read_bytes()))
    assert _ingest(rotated, log).new_lines == 5
    assert _ingest(rotated, log).new_lines == 0
    assert _count(log) == [("audit-1", 15, 15)]
    # One file for the log that has ended, one for that which is live.
    assert len(_files(log)) == 2


def test_copies_of_a_log_are_the_same_log(log: Path) -> None:
    copy, compressed = log.with_name("copy.log"), log.with_name("audit-1.log.gz")
    shutil.copy(log, copy)
    compressed.write_bytes(gzip.compress(log.read_bytes()))
    found = _ingest(log, copy, compressed)
    assert (found.new_lines, found.damage) == (10, ())
    assert _count(log) == [("audit-1", 10, 10)]


def test_file_truncated_in_place_is_a_new_log(log: Path) -> None:
    _ingest(log)
    inode = log.stat().st_ino
    log.write_bytes(_lines(20, 40))  # longer than before
    assert log.stat().st_ino == inode
    assert _ingest(log).new_lines == 20


def test_log_that_became_shorter_is_named_once(log: Path) -> None:
    _ingest(log)
    size = log.stat().st_size
    log.write_bytes(_lines(0, 3))
    found = _ingest(log)
    assert [each.damage for each in found.damage] == [Damage(11, size, Reason.CUT)]
    os.utime(log)
    assert _ingest(log).damage == ()


def test_inode_used_again_is_a_new_log(log: Path) -> None:
    _ingest(log)
    found = Index.load(_store(log))
    (entry,) = found.logs.values()
    log.unlink()
    log.write_bytes(_lines(20, 30))
    # The file system may or may not have used the inode again, so the index says that it did.
    new = log.stat()
    entry.stamps = {str(log): (new.st_dev, new.st_ino, new.st_size, 0)}
    found.save()
    assert _ingest(log).new_lines == 10


def test_torn_end_of_a_rotated_log_is_named_once(log: Path) -> None:
    size = log.stat().st_size
    _append(log, line(10)[:50])
    rotated = log.rename(log.with_name("audit-1-20261128.log"))
    assert _ingest(rotated).damage == ()  # it may go on
    log.write_bytes(_lines(20, 22))
    found = _ingest(rotated, log)
    assert [str(each) for each in found.damage] == [f"{rotated}: line 11 (byte {size}): torn"]
    assert _ingest(rotated, log).damage == ()


def test_devices_are_told_apart(log: Path) -> None:
    other = log.with_name("audit-2.log")
    other.write_bytes(line(50) + b"\n" + log.read_bytes())
    _ingest(log, other)
    assert _count(log) == [("audit-1", 10, 10), ("audit-2", 11, 11)]
    with open_store(_store(log)) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (11,)


def test_file_without_a_complete_line_is_left(tmp_path: Path) -> None:
    logs = [tmp_path / name for name in ("audit-1.log", "audit-2.log")]
    for log, data in zip(logs, (b"", line(1)), strict=True):
        log.write_bytes(data)
    assert _ingest(*logs).new_lines == 0


def test_pieces_of_a_large_log_lose_no_line(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingestion, "PIECE", 5000)
    data = _lines(0, 100) + line(1)[:40] + b"\n" + _lines(100, 200)
    log.write_bytes(data)
    found = _ingest(log)
    assert found.new_lines == 200
    assert [each.damage.line for each in found.damage] == [101]
    assert _count(log) == [("audit-1", 200, 200)]
    assert len(_files(log)) == 1  # merged, because they were many


def test_line_longer_than_a_piece_stays_whole(tmp_path: Path) -> None:
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
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = Converter.convert

    def grow(self: Converter, source: Path, *arguments: Any) -> Converted | None:
        if source.name.isdigit():  # the file itself, and not a copy of a piece
            _append(log, line(10) + b"\n")
        return convert(self, source, *arguments)

    monkeypatch.setattr(Converter, "convert", grow)
    found = _ingest(log).new_lines + _ingest(log).new_lines
    assert found == 11
    assert _count(log) == [("audit-1", 11, 11)]


def test_pieces_of_a_live_log_are_merged_when_there_are_many(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_writer, "MAX_PARTS", 3)
    counts = []
    for number in range(10, 17):
        _append(log, line(number) + b"\n")
        _ingest(log)
        counts.append(len(_files(log)))
    assert counts == [1, 2, 3, 1, 2, 3, 1]
    assert _count(log) == [("audit-1", 17, 17)]


def test_merge_waits_for_a_reader(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _ingest(log)
    _append(log, line(10) + b"\n")
    rotated = log.with_name("audit-1-20261128.log.gz")
    rotated.write_bytes(gzip.compress(log.read_bytes()))
    waits, steps, whole = threading.Event(), list[str](), store_writer.StoreWriter._without_readers

    @contextmanager
    def without_readers(writer: store_writer.StoreWriter, *, wait: bool = True) -> Iterator[None]:
        if wait:
            waits.set()
        with whole(writer, wait=wait):
            steps.append("alone")
            yield

    monkeypatch.setattr(store_writer.StoreWriter, "_without_readers", without_readers)
    thread = threading.Thread(target=_ingest, args=(rotated,))
    with open_store(_store(log)) as connection:
        thread.start()
        assert waits.wait(10)
        assert connection.execute("SELECT count(DISTINCT request_id) FROM lines").fetchone()
        steps.append("read")
    thread.join(10)
    assert steps[:2] == ["read", "alone"]
    assert len(_files(log)) == 1
    assert _count(log) == [("audit-1", 11, 11)]


def test_old_lines_are_dropped_by_file_and_not_ingested_again(log: Path) -> None:
    other = log.with_name("audit-2.log")
    other.write_bytes(line(1, time="2026-12-24T00:00:00Z") + b"\n")
    sources = [Source.server_log(log), Source.server_log(other)]
    now = datetime(2026, 12, 25, tzinfo=UTC)
    for expected in ((11, 10, 1), (0, 0, 1)):
        found = ingest(sources, _store(log), now=now, keep=timedelta(days=7))
        assert (found.new_lines, found.dropped, found.lines) == expected
        os.utime(log)
    assert len(_files(log)) == 1


def test_store_is_readable_by_its_owner_only(log: Path) -> None:
    (_store(log)).mkdir(mode=0o755)
    _ingest(log)
    found = [path for path in (_store(log)).rglob("*") if path.stat().st_mode & 0o077]
    assert found == []
    assert (_store(log)).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", ["[", "[]", "{}", '{"format":1,"logs":{"a":{}}}'])
def test_damaged_index_is_refused(log: Path, content: str) -> None:
    create(_store(log), STORE)
    (_store(log) / INDEX).write_text(content)
    with pytest.raises(ConfigurationError, match=r"index\.json is not an index; move"):
        _ingest(log)


def test_newer_index_is_refused(log: Path) -> None:
    create(_store(log), STORE)
    (_store(log) / INDEX).write_text('{"format": 9}')
    with pytest.raises(ConfigurationError, match="has format 9, but this version reads 1"):
        _ingest(log)


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


def _start(log: Path, killed_at: int = 0) -> subprocess.Popen[str]:
    """Start an ingest, which is killed before its *killed_at*th change of a name, if not 0."""
    command = [sys.executable, "-c", _WORKER, str(_store(log)), str(log), str(killed_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_ingests_at_once_double_nothing(tmp_path: Path) -> None:
    log = tmp_path / "audit-1.log"
    log.write_bytes(_lines(0, 2000) + b"{\n")
    both = [_start(log) for _ in range(2)]
    found = sorted(int(each.communicate(timeout=60)[0]) for each in both)
    assert found == [0, 2000]
    assert _count(log) == [("audit-1", 2000, 2000)]


def test_killed_ingest_loses_and_doubles_nothing(tmp_path: Path) -> None:
    log = tmp_path / "audit-1.log"
    log.write_bytes(_lines(0, 2000) + b"{\n" + _lines(2000, 2010))
    for killed_at in (1, 2, 3, 20):
        process = _start(log, killed_at)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
    assert 0 < _ingest(log).new_lines < 2010
    assert _count(log) == [("audit-1", 2010, 2010)]
    index = Index.load(_store(log))
    assert set(index.files()) == set(_files(log))
    assert list((_store(log) / "temporary").iterdir()) == []


@pytest.mark.parametrize("step", ["_publish", "save", "unlink"])
def test_ingest_killed_between_two_steps_loses_and_doubles_nothing(
    log: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop at each step of a commit and of a merge, as a kill would."""
    monkeypatch.setattr(store_writer, "MAX_PARTS", 2)
    owner = {"_publish": store_writer.StoreWriter, "save": Index, "unlink": Path}[step]
    whole = getattr(owner, step)
    number = 10
    for stop_at in range(1, 6):
        _append(log, _lines(number, number + 1))
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
                _ingest(log)
        _ingest(log)
        assert _count(log) == [("audit-1", number, number)]
        assert set(Index.load(_store(log)).files()) == set(_files(log))


def test_ingest_keeps_the_temporary_files_of_a_reader(log: Path) -> None:
    _ingest(log)
    with open_store(_store(log)) as connection:
        ((folder,),) = connection.execute("SELECT current_setting('temp_directory')").fetchall()
        file = Path(folder) / "duckdb_temp_storage"
        file.parent.mkdir(exist_ok=True)
        file.touch()
        _append(log, line(10) + b"\n")
        assert _ingest(log).new_lines == 1
        assert file.exists()
    _ingest(log)  # after a reader that was killed
    assert not file.exists()


def test_damaged_file_of_the_store_is_named(log: Path) -> None:
    _ingest(log)
    (file,) = _files(log)
    file.write_bytes(b"")
    with (
        pytest.raises(ConfigurationError, match="; move the folder away, and ingest"),
        open_store(_store(log)),
    ):
        pass


def test_foreign_file_of_the_store_is_named_and_stays(log: Path) -> None:
    _ingest(log)
    foreign = _store(log) / "events" / "figures.parquet"
    foreign.write_bytes(b"PAR1")
    with (
        pytest.raises(ConfigurationError, match=f"{foreign} is no file of this store; move it out"),
        open_store(_store(log)),
    ):
        pass
    _ingest(log)
    assert foreign.read_bytes() == b"PAR1"


def test_store_with_a_link_in_place_of_a_folder_is_refused(tmp_path: Path, log: Path) -> None:
    _ingest(log)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (_store(log) / "temporary").rmdir()
    (_store(log) / "temporary").symlink_to(kept)
    with pytest.raises(ConfigurationError, match="temporary is a symlink or a file in place of a"):
        _ingest(log)
    assert (kept / "file").is_file()


def test_merge_that_fails_says_where(tmp_path: Path) -> None:
    with (
        open_converter(tmp_path) as converter,
        pytest.raises(ConfigurationError, match=r"cannot write a file .*; check the free space"),
    ):
        converter.merge([tmp_path / "missing.parquet"], tmp_path / "merged.parquet")
