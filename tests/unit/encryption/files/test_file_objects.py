"""File objects in unusual use: threads, forks, copies, interruptions, and reads after an error."""

from __future__ import annotations

import copy
import io
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, cast

import pytest

from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.chunk_writer import ChunkWriter
from app_integration.encryption.files.chunks import CHUNK_SIZE
from app_integration.errors import DecryptionFailed
from tests.support.models.file_parts import file_cipher, sample


class SlowTarget(io.BytesIO):
    """A target that accepts a few bytes at a time, so that threads take turns within a batch."""

    def write(self, data: memoryview, /) -> int:  # type: ignore[override] # as a raw file
        threading.Event().wait(0.0002)
        return super().write(data[:100_000])


def test_writer_of_several_threads_uses_no_nonce_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    positions: list[int] = []
    seal = BodyCipher.seal_into

    def record(self: BodyCipher, position: int, *args: memoryview, last: bool) -> None:
        positions.append(position)
        seal(self, position, *args, last=last)

    monkeypatch.setattr(BodyCipher, "seal_into", record)
    cipher, target, line = file_cipher(), SlowTarget(), sample(100_000)
    with cipher.writer(target) as writer, ThreadPoolExecutor(4) as pool:
        assert set(pool.map(writer.write, [line] * 80)) == {len(line)}
    assert positions == list(range(len(positions)))
    target.seek(0)
    assert cipher.reader(target).read() == line * 80


def run_child(writer: ChunkWriter) -> None:
    """Fork a child that uses *writer* in every way."""
    pid = os.fork()
    if pid == 0:
        try:
            with suppress(ValueError):
                writer.write(b"child")
            writer.close()
            writer.discard()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def test_writer_in_a_forked_child_leaves_the_file_to_its_parent(tmp_path: Path) -> None:
    cipher = file_cipher()
    with cipher.create(tmp_path / "file") as writer:
        writer.write(b"parent")
        run_child(writer)
        assert [each.name for each in tmp_path.iterdir()] == [".file.new"]
    with cipher.open(tmp_path / "file") as reader:
        assert reader.read() == b"parent"


def test_writer_to_a_pipe_in_a_forked_child_writes_nothing(tmp_path: Path) -> None:
    cipher, path = file_cipher(), tmp_path / "file"
    with path.open("wb", buffering=0) as target, cipher.writer(target) as writer:
        writer.write(b"parent")
        run_child(writer)
        assert path.stat().st_size == 4096
    with cipher.open(path) as reader:
        assert reader.read() == b"parent"


def test_writer_cannot_be_copied(tmp_path: Path) -> None:
    with (
        file_cipher().create(tmp_path / "file") as writer,
        pytest.raises(TypeError, match="copied"),
    ):
        copy.copy(writer)


def close_with_interruption(writer: ChunkWriter, event: int) -> bool:
    """Close *writer*, with Ctrl-C at the line of this number; return whether it was reached."""
    left = event

    def trace(frame: FrameType, kind: str, _argument: object) -> Callable[..., Any] | None:
        nonlocal left
        if "encryption/files" not in frame.f_code.co_filename and "pending_file" not in (
            frame.f_code.co_filename
        ):
            return None
        left -= kind == "line"
        if left == 0:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        writer.close()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_close_interrupted_at_any_line_and_repeated_leaves_no_other_file(tmp_path: Path) -> None:
    cipher, path, event, was_reached = file_cipher(), tmp_path / "file", 0, True
    while was_reached:
        event += 1
        writer = cipher.create(path)
        writer.write(b"content")
        was_reached = close_with_interruption(writer, event)
        writer.close()
        # As the collector would, but without its warning.
        cast("io.FileIO", writer._target).close()
        if path.exists():
            with cipher.open(path) as reader:
                assert reader.read() == b"content", event
            path.unlink()
    assert event > 20


def test_sequential_reader_fails_again_after_bytes_after_the_end() -> None:
    cipher, out = file_cipher(), io.BytesIO()
    cipher.encrypt_stream(io.BytesIO(sample(CHUNK_SIZE)), out)
    reader = cipher.reader(io.BytesIO(out.getvalue() + b"more"))
    for _ in range(3):
        with pytest.raises(DecryptionFailed):
            reader.read(1)


@pytest.mark.parametrize("whence", [os.SEEK_DATA, os.SEEK_HOLE])
def test_seek_to_data_or_a_hole_is_rejected(tmp_path: Path, whence: int) -> None:
    cipher = file_cipher()
    with cipher.create(tmp_path / "file") as writer:
        writer.write(b"content")
    with cipher.open(tmp_path / "file") as reader, pytest.raises(ValueError, match="cannot seek"):
        reader.seek(0, whence)


def test_open_reads_on_after_a_read_of_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system in user space may return less than what was asked for."""
    cipher, content = file_cipher(), sample(CHUNK_SIZE + 5)
    with cipher.create(tmp_path / "file") as writer:
        writer.write(content)
    read, read_into = os.pread, os.preadv
    monkeypatch.setattr(os, "pread", lambda file, size, at: read(file, min(size, 99_999), at))
    monkeypatch.setattr(
        os, "preadv", lambda file, into, at: read_into(file, [into[0][:99_999]], at)
    )
    with cipher.open(tmp_path / "file") as reader:
        assert reader.read() == content
