"""Altered files: every changed byte, cut, swap and addition is rejected, and nothing released."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from app_integration.encryption.files.chunks import CHUNK_SIZE, SEALED_SIZE
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.encryption.files.preamble import Body, bind
from app_integration.encryption.tokens.encryption_context import Context
from app_integration.errors import DecryptionFailed
from app_integration.names import Environment, Scope
from tests.support.models.file_parts import SCOPE, FileServices, file_cipher, sample

HEADER = 4096
SERVICES = FileServices()
CIPHER = file_cipher(SERVICES)
CONTEXT: Context = {"of": "export"}
LONGEST = sample(8 * CHUNK_SIZE)


@cache
def sealed(size: int) -> bytes:
    out = io.BytesIO()
    CIPHER.encrypt_stream(io.BytesIO(sample(size)), out, context=CONTEXT)
    return out.getvalue()


def by_stream(data: bytes, _folder: Path) -> bytes:
    out = io.BytesIO()
    try:
        CIPHER.decrypt_stream(io.BytesIO(data), out, context=CONTEXT)
    except DecryptionFailed:
        # What a pipe received before is a verified start.
        assert LONGEST.startswith(out.getvalue())
        raise
    return out.getvalue()


def by_sequential_reader(data: bytes, _folder: Path) -> bytes:
    return CIPHER.reader(io.BytesIO(data), context=CONTEXT).read()


def by_random_access(data: bytes, folder: Path) -> bytes:
    (folder / "file").write_bytes(data)
    with CIPHER.open(folder / "file", context=CONTEXT) as reader:
        return reader.read()


def by_file(data: bytes, folder: Path) -> bytes:
    (folder / "file").write_bytes(data)
    target = folder / "opened"
    try:
        CIPHER.decrypt_file(folder / "file", target, context=CONTEXT)
    except DecryptionFailed:
        assert [each.name for each in folder.iterdir()] == ["file"]
        raise
    opened = target.read_bytes()
    target.unlink()
    return opened


WAYS = [by_stream, by_sequential_reader, by_random_access, by_file]
Way = Callable[[bytes, Path], bytes]
every_way = pytest.mark.parametrize("decrypt", WAYS)


def refuse(decrypt: Way, data: bytes, folder: Path) -> None:
    with pytest.raises(DecryptionFailed):
        decrypt(data, folder)


@every_way
def test_file_that_is_whole_is_accepted(decrypt: Way, tmp_path: Path) -> None:
    assert decrypt(sealed(60), tmp_path) == sample(60)


def test_file_with_any_flipped_byte_is_rejected(tmp_path: Path) -> None:
    whole = sealed(60)
    accepted = []
    for position in range(len(whole)):
        for bit in (0x01, 0x80):
            altered = bytearray(whole)
            altered[position] ^= bit
            try:
                by_stream(bytes(altered), tmp_path)
            except DecryptionFailed:
                continue
            accepted.append(position)
    assert accepted == []


@every_way
def test_body_with_any_flipped_byte_is_rejected(decrypt: Way, tmp_path: Path) -> None:
    whole = sealed(60)
    for position in range(HEADER, len(whole)):
        refuse(
            decrypt,
            whole[:position] + bytes((whole[position] ^ 1,)) + whole[position + 1 :],
            tmp_path,
        )


def test_file_cut_anywhere_is_rejected(tmp_path: Path) -> None:
    whole = sealed(60)
    for size in range(len(whole)):
        refuse(by_stream, whole[:size], tmp_path)


#: Sizes at the boundaries of chunks, of batches of four, and within each.
LARGE = 5 * CHUNK_SIZE + 60
CUTS = sorted(
    {
        max(0, number * SEALED_SIZE + by)
        for number in range(6)
        for by in (-17, -16, -1, 0, 1, 16, 17, 75)
    }
)


@every_way
def test_body_cut_at_a_boundary_is_rejected(decrypt: Way, tmp_path: Path) -> None:
    for cut in CUTS:
        refuse(decrypt, sealed(LARGE)[: HEADER + cut], tmp_path)


def chunks(size: int) -> list[bytes]:
    body = sealed(size)[HEADER:]
    return [body[start : start + SEALED_SIZE] for start in range(0, len(body), SEALED_SIZE)]


REORDERED = {
    "first two swapped": [1, 0, 2, 3, 4, 5],
    "across batches swapped": [0, 1, 2, 4, 3, 5],
    "first left out": [1, 2, 3, 4, 5],
    "one left out": [0, 1, 3, 4, 5],
    "last left out": [0, 1, 2, 3, 4],
    "one repeated": [0, 1, 1, 2, 3, 4, 5],
    "last repeated": [0, 1, 2, 3, 4, 5, 5],
    "last first": [5, 0, 1, 2, 3, 4],
    "last alone": [5],
    "first alone": [0],
    "none": [],
}


@every_way
@pytest.mark.parametrize("order", REORDERED.values(), ids=REORDERED)
def test_body_with_chunks_in_another_order_is_rejected(
    decrypt: Way, order: list[int], tmp_path: Path
) -> None:
    parts = chunks(LARGE)
    body = b"".join(parts[number] for number in order)
    refuse(decrypt, sealed(LARGE)[:HEADER] + body, tmp_path)


@every_way
@pytest.mark.parametrize("size", [0, 1, CHUNK_SIZE, 4 * CHUNK_SIZE])
def test_file_with_bytes_after_its_end_is_rejected(decrypt: Way, size: int, tmp_path: Path) -> None:
    for more in (b"\x00", b"\x00" * 16, b"\x00" * 17, sealed(60), chunks(60)[0]):
        refuse(decrypt, sealed(size) + more, tmp_path)


@every_way
@pytest.mark.parametrize("size", [CHUNK_SIZE, 4 * CHUNK_SIZE])
def test_empty_last_chunk_after_another_is_rejected(
    decrypt: Way, size: int, tmp_path: Path
) -> None:
    """A writer never makes it; a lenient reader would accept two encodings of one file."""
    header, cipher = CIPHER.new_file_key().start(Body.CHUNKS, bind(SCOPE, CONTEXT))
    count = size // CHUNK_SIZE
    parts = [sample(size)[start : start + CHUNK_SIZE] for start in range(0, size, CHUNK_SIZE)]
    body = b"".join(cipher.seal(number, part) for number, part in enumerate(parts))
    refuse(decrypt, header + body + cipher.seal(count, b"", last=True), tmp_path)


@every_way
def test_body_of_another_file_is_rejected(decrypt: Way, tmp_path: Path) -> None:
    other = io.BytesIO()
    CIPHER.encrypt_stream(io.BytesIO(sample(60)), other, context=CONTEXT)
    refuse(decrypt, sealed(60)[:HEADER] + other.getvalue()[HEADER:], tmp_path)


@every_way
def test_log_is_rejected_as_a_file_of_chunks(decrypt: Way, tmp_path: Path) -> None:
    header, cipher = CIPHER.new_file_key().start(Body.FRAMES, bind(SCOPE, CONTEXT))
    refuse(decrypt, header + cipher.seal(0, b"record", last=True), tmp_path)


OTHERS: dict[str, tuple[FileCipher, Context | None]] = {
    "context": (CIPHER, {"of": "backup"}),
    "type of context": (CIPHER, {"of": b"export"}),
    "more context": (CIPHER, {"of": "export", "day": 1}),
    "no context": (CIPHER, None),
    "service": (file_cipher(SERVICES, scope=Scope("other", Environment("prod"))), CONTEXT),
    "environment": (file_cipher(SERVICES, scope=Scope("parcels", Environment("staging"))), CONTEXT),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_file_of_another_context_is_rejected(other: tuple[FileCipher, Context | None]) -> None:
    cipher, context = other
    with pytest.raises(DecryptionFailed):
        cipher.decrypt_stream(io.BytesIO(sealed(60)), io.BytesIO(), context=context)


@pytest.mark.parametrize("data", [b"", b"x", b"sr3.text", bytes(HEADER), bytes(9000)])
@every_way
def test_what_is_no_encrypted_file_is_rejected(decrypt: Way, data: bytes, tmp_path: Path) -> None:
    refuse(decrypt, data, tmp_path)
