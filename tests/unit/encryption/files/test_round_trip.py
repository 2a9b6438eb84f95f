"""Encrypted files: what was encrypted is decrypted, through every way to read and write."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from app_integration.encryption.files.chunks import CHUNK_SIZE, SEALED_SIZE
from app_integration.encryption.files.preamble import Body
from app_integration.encryption.tokens.encryption_context import Context
from app_integration.errors import (
    ConfigurationError,
    DecryptionFailed,
    EncryptionError,
    InvalidContext,
)
from tests.support.models.file_parts import SIZES, FileServices, file_cipher, sample

HEADER = 4096
CONTEXT: Context = {"of": "export", "number": 7}


def overhead(size: int) -> int:
    return HEADER + 16 * max(1, -(-size // CHUNK_SIZE))


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("size", SIZES)
def test_encrypt_file_of_any_size_round_trips(tmp_path: Path, size: int, threads: int) -> None:
    cipher, (plain, sealed, opened) = file_cipher(), (tmp_path / name for name in "abc")
    plain.write_bytes(sample(size))
    cipher.encrypt_file(plain, sealed, context=CONTEXT, threads=threads)
    assert sealed.stat().st_size == size + overhead(size)
    assert sealed.stat().st_mode & 0o777 == 0o600
    cipher.decrypt_file(sealed, opened, context=CONTEXT, threads=threads)
    assert opened.read_bytes() == sample(size)
    assert opened.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a", "b", "c"]


@pytest.mark.parametrize("size", SIZES)
def test_streams_of_any_size_round_trip(size: int) -> None:
    cipher, sealed, opened = file_cipher(), io.BytesIO(), io.BytesIO()
    cipher.encrypt_stream(io.BytesIO(sample(size)), sealed, context=CONTEXT)
    sealed.seek(0)
    cipher.decrypt_stream(sealed, opened, context=CONTEXT)
    assert opened.getvalue() == sample(size)


@pytest.mark.parametrize("step", [1000, CHUNK_SIZE, 5 * CHUNK_SIZE])
@pytest.mark.parametrize("size", SIZES)
def test_file_objects_with_writes_of_any_size_round_trip(
    tmp_path: Path, size: int, step: int
) -> None:
    cipher, content = file_cipher(), sample(size)
    with cipher.create(tmp_path / "file", context=CONTEXT) as writer:
        for start in range(0, size, step):
            assert writer.write(content[start : start + step]) == len(content[start : start + step])
    with cipher.open(tmp_path / "file", context=CONTEXT) as reader:
        assert reader.read() == content
    with (
        (tmp_path / "file").open("rb") as file,
        cipher.reader(file, context=CONTEXT) as sequential,
    ):
        assert b"".join(iter(lambda: sequential.read(step), b"")) == content


def test_pipes_in_small_pieces_round_trip() -> None:
    cipher, content = file_cipher(), sample(2 * CHUNK_SIZE + 5)
    to_encrypt, from_plain = os.pipe()
    to_decrypt, from_sealed = os.pipe()

    def feed() -> None:
        with io.FileIO(from_plain, "w") as out:
            for start in range(0, len(content), 7001):
                out.write(content[start : start + 7001])

    def encrypt() -> None:
        with io.FileIO(to_encrypt) as plain, io.FileIO(from_sealed, "w") as out:
            cipher.encrypt_stream(plain, out)

    threads = [threading.Thread(target=feed), threading.Thread(target=encrypt)]
    for thread in threads:
        thread.start()
    opened = io.BytesIO()
    with io.FileIO(to_decrypt) as sealed:
        cipher.decrypt_stream(sealed, opened)
    for thread in threads:
        thread.join()
    assert opened.getvalue() == content


def test_open_at_any_offset_reads_what_is_there(tmp_path: Path) -> None:
    content = sample(3 * CHUNK_SIZE + 100)
    cipher = file_cipher()
    with cipher.create(tmp_path / "file") as writer:
        writer.write(content)
    with cipher.open(tmp_path / "file") as reader:
        edges = [number * CHUNK_SIZE + by for number in range(4) for by in (-3, 0, 3)]
        for offset in [edge for edge in edges if edge >= 0] + [len(content) - 1, len(content)]:
            assert reader.seek(offset) == offset
            assert reader.read(7) == content[offset : offset + 7]
        assert reader.seek(-5, os.SEEK_END) == len(content) - 5
        assert reader.read() == content[-5:]
        assert reader.seek(len(content) + 9) == len(content) + 9
        assert reader.read(1) == b""


def test_open_reads_only_the_chunks_that_are_asked_for(tmp_path: Path) -> None:
    cipher, path = file_cipher(), tmp_path / "file"
    with cipher.create(path) as writer:
        writer.write(sample(3 * CHUNK_SIZE))
    with path.open("r+b") as file:
        file.seek(HEADER + SEALED_SIZE)
        file.write(b"altered")
    with cipher.open(path) as reader:
        assert reader.read(10) == sample(10)
        reader.seek(CHUNK_SIZE)
        with pytest.raises(DecryptionFailed):
            reader.read(1)


def test_create_with_exception_leaves_no_file(tmp_path: Path) -> None:
    def write() -> None:
        with file_cipher().create(tmp_path / "file") as writer:
            writer.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert not list(tmp_path.iterdir())


def test_create_that_is_dropped_leaves_no_file(tmp_path: Path) -> None:
    writer = file_cipher().create(tmp_path / "file")
    writer.write(b"half")
    del writer
    assert not list(tmp_path.iterdir())


def test_create_on_a_full_disk_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = file_cipher().create(tmp_path / "file")
    full = io.FileIO("/dev/full", "w")
    monkeypatch.setattr(writer, "_target", full)
    with full, pytest.raises(OSError, match="No space"):
        writer.write(sample(5 * CHUNK_SIZE))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"more")


def test_encrypt_file_over_an_existing_one_replaces_it_when_whole(tmp_path: Path) -> None:
    cipher, path = file_cipher(), tmp_path / "file"
    path.write_bytes(b"old")
    with cipher.create(path) as writer:
        writer.write(b"new")
        assert path.read_bytes() == b"old"
    with cipher.open(path) as reader:
        assert reader.read() == b"new"


def test_create_beside_another_writer_is_rejected(tmp_path: Path) -> None:
    cipher = file_cipher()
    with cipher.create(tmp_path / "file") as writer:
        writer.write(b"first")
        with pytest.raises(ConfigurationError, match="another process is writing this file"):
            cipher.create(tmp_path / "file")
    with cipher.open(tmp_path / "file") as reader:
        assert reader.read() == b"first"


def test_create_beside_what_a_killed_writer_left_replaces_it(tmp_path: Path) -> None:
    (tmp_path / ".file.new").write_bytes(sample(10_000))
    with file_cipher().create(tmp_path / "file") as writer:
        writer.write(b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").stat().st_size == 1 + overhead(1)


def encrypt_shrinking(folder: Path, threads: int) -> None:
    """Encrypt a file that becomes shorter when a part of it is done."""
    plain = folder / "plain"
    plain.write_bytes(sample(9 * CHUNK_SIZE))
    file_cipher().encrypt_file(
        plain, folder / "out", threads=threads, progress=lambda _done: os.truncate(plain, 10)
    )


def test_encrypt_file_that_shrinks_meanwhile_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(EncryptionError, match="while it was encrypted"):
        encrypt_shrinking(tmp_path, threads=2)
    assert [each.name for each in tmp_path.iterdir()] == ["plain"]


def test_encrypt_file_in_order_that_shrinks_meanwhile_ends_where_it_ends(tmp_path: Path) -> None:
    encrypt_shrinking(tmp_path, threads=1)
    assert (tmp_path / "out").exists()


@pytest.mark.parametrize("threads", [1, 2])
def test_encrypt_file_reports_progress_up_to_its_size(tmp_path: Path, threads: int) -> None:
    cipher = file_cipher()
    done: list[int] = []
    (tmp_path / "plain").write_bytes(sample(9 * CHUNK_SIZE + 3))
    cipher.encrypt_file(tmp_path / "plain", tmp_path / "out", threads=threads, progress=done.append)
    assert done == sorted(done)
    assert done[-1] == 9 * CHUNK_SIZE + 3


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ({"service": "other"}, "bound to them"),
        ({"environment": "dev"}, "bound to them"),
        ({"text": "x" * 900}, "at most"),
        ({"number": 1.5}, "float"),
    ],
)
def test_encrypt_file_with_invalid_context_sends_nothing(
    tmp_path: Path, context: dict[str, object], reason: str
) -> None:
    services = FileServices()
    with pytest.raises(InvalidContext, match=reason):
        file_cipher(services).create(tmp_path / "file", context=context)  # type: ignore[arg-type] # invalid on purpose
    assert not services.asked
    assert not list(tmp_path.iterdir())


def test_create_with_an_empty_context_is_as_without_one(tmp_path: Path) -> None:
    cipher = file_cipher()
    with cipher.create(tmp_path / "file", context={}) as writer:
        writer.write(b"content")
    with cipher.open(tmp_path / "file") as reader:
        assert reader.read() == b"content"


def test_file_key_starts_each_file_with_a_salt_of_its_own() -> None:
    services = FileServices()
    key = file_cipher(services).new_file_key()
    (one, first), (other, second) = (key.start(Body.FRAMES, b"\x00") for _ in range(2))
    assert one != other
    assert first.seal(0, b"same") != second.seal(0, b"same")
    assert len(services.asked) == 1
