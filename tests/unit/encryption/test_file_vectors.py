"""Vectors of the encrypted file format, against each reader.

The second reader and the writer of the vectors were written from ``docs/file-format.md`` alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from app_integration.encryption.files.chunk_reader import SequentialReader
from app_integration.encryption.files.chunks import CHUNK_SIZE
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.encryption.files.frames import FrameReader
from app_integration.encryption.files.header import Header, read_header
from app_integration.encryption.files.preamble import Body
from app_integration.errors import DecryptionFailed, raise_decryption_failed
from tests.support import bech32
from tests.support.file_vectors.catalogue import vectors, write_missing
from tests.support.file_vectors.edits import Edit, cut_at, flip
from tests.support.file_vectors.vector import FOLDER, Vector, load, payload_of
from tests.support.models.cipher_parts import KeyService
from tests.support.models.file_parts import SCOPE
from tests.support.second_file_reader import (
    Failure,
    Log,
    NoMatch,
    load_identity,
    read_file,
)

STORED = {path.name: load(path) for path in sorted(FOLDER.iterdir())}

#: Key pairs that age itself generated.
AGE_KEYS = {
    "AGE-SECRET-KEY-1E3MJWAY3R2XRRHGY3M7J8EUQ67Q32Z67YAN820GAVGSMZEWRTJPQDNZ0E4": (
        "age199qp69gths4k903c5u0flq6lvxltwlp7hhuq04v0gpkev9evdsvqffgt9f"
    ),
    "AGE-SECRET-KEY-19ELAUQ0UHH550MREJU7GJFPAPPNERPMLGZHWSWHK0V7STLRVAREQJDX7YM": (
        "age1f4n6h9sqgvjvdpm5vvuhtwt83vp79n2xyy9zl8ujqarscq0r8a3qa7a7dy"
    ),
}
AGE_KEY, AGE_RECIPIENT = next(iter(AGE_KEYS.items()))


class Outcome(NamedTuple):
    """What a reader reports about a file."""

    expect: str
    payload: str
    end: str | None = None


def read_with_second_reader(vector: Vector) -> Outcome:
    keys = {"file_key": vector.file_key, "identity": vector.lines.get("identity")}
    try:
        found = read_file(vector.file, vector.context, **keys)  # type: ignore[arg-type]
    except NoMatch:
        return Outcome("no match", payload_of(b""))
    except Failure as failure:
        return Outcome("failure", payload_of(failure.verified))
    if isinstance(found, Log):
        return Outcome("success", payload_of(found.records), found.end)
    return Outcome("success", payload_of(found))


class VectorService(KeyService):
    """The key service of every key, which returns the file key of a vector once."""

    def __init__(self, vector: Vector) -> None:
        super().__init__()
        self._unwrapped = [vector.file_key]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        assert wrapped
        assert scope
        return [self._unwrapped.pop()] if self._unwrapped else [None]


def read_with_sdk(vector: Vector) -> Outcome:
    """Return what the SDK reports. It has one error for "no match" and "failure"."""
    file, chunks, records, end = io.BytesIO(vector.file), b"", list[bytes](), None
    try:
        header = read_header(file)
        expect_context(header, vector.context)
        service = VectorService(vector)
        cipher = FileCipher(lambda _key: service, SCOPE).unwrap(header, identities(vector))
        if header.preamble.body is Body.FRAMES:
            frames = FrameReader(cipher)
            records.extend(frames.feed(file.read()))
            end = "closed" if frames.is_closed else "incomplete" if frames.pending else "open"
        else:
            reader = SequentialReader(cipher, file)
            while part := reader.read(CHUNK_SIZE):
                chunks += part
    except DecryptionFailed:
        expect = vector.lines["expect"].replace("success", "rejected")
        return Outcome(expect, payload_of(records or chunks))
    return Outcome("success", payload_of(records or chunks), end)


def expect_context(header: Header, context: bytes) -> None:
    if header.preamble.bound != context:
        raise_decryption_failed("file")


def identities(vector: Vector) -> list[X25519PrivateKey]:
    text = vector.lines.get("identity")
    if text is None:
        return []
    return [X25519PrivateKey.from_private_bytes(bech32.decode("age-secret-key-", text))]


#: Each of them reports the outcome of a vector.
READERS: dict[str, Callable[[Vector], Outcome]] = {
    "second reader": read_with_second_reader,
    "SDK": read_with_sdk,
}


PAIRS = {
    f"{vector.name}-{name}": (vector, reader)
    for vector in STORED.values()
    for name, reader in READERS.items()
}


@pytest.mark.parametrize(("vector", "reader"), PAIRS.values(), ids=PAIRS)
def test_vector_read_by_each_reader_has_expected_outcome(
    vector: Vector, reader: Callable[[Vector], Outcome]
) -> None:
    lines = vector.lines
    assert reader(vector) == Outcome(lines["expect"], lines["payload"], lines.get("end"))


def test_vectors_written_again_are_unchanged() -> None:
    assert {each.name: _stored(each) for each in vectors()} == {
        name: _stored(vector) for name, vector in STORED.items()
    }


def _stored(vector: Vector) -> tuple[list[tuple[str, str]], bytes]:
    """Return what must not change. Another zlib may compress a file to other bytes."""
    return list(vector.lines.items()), vector.file


def test_missing_vector_is_written_and_others_stay(tmp_path: Path) -> None:
    first, second, *_ = vectors()
    (tmp_path / second.name).write_bytes(b"changed")
    assert first.name in write_missing(tmp_path)
    assert (tmp_path / first.name).read_bytes() == first.encode()
    assert (tmp_path / second.name).read_bytes() == b"changed"
    assert write_missing(tmp_path) == []


@pytest.mark.parametrize("edit", [flip, cut_at])
def test_chunks_with_any_byte_changed_or_cut_anywhere_are_rejected(
    edit: Callable[[int], Edit],
) -> None:
    vector = STORED["chunks-short"]
    for offset in range(len(vector.file)):
        with pytest.raises(Failure):
            _read(vector, edit(offset))


def test_log_with_any_byte_changed_is_rejected_or_not_closed() -> None:
    vector = STORED["frames-closed"]
    accepted = set()
    for offset in range(len(vector.file)):
        with suppress(Failure):
            found = _read(vector, flip(offset))
            accepted.add(getattr(found, "end", None))
    assert accepted == {"incomplete"}


def test_log_cut_anywhere_is_not_closed() -> None:
    vector = STORED["frames-closed"]
    for size in range(4096, len(vector.file)):
        found = _read(vector, cut_at(size))
        assert isinstance(found, Log)
        assert found.end in {"open", "incomplete"}


def _read(vector: Vector, edit: Edit) -> bytes | Log:
    return read_file(edit(vector.file), vector.context, file_key=vector.file_key)


@pytest.mark.parametrize(("private", "public"), AGE_KEYS.items())
def test_age_key_decoded_has_the_public_key_of_age(private: str, public: str) -> None:
    found = load_identity(private).public_key().public_bytes_raw()
    assert bech32.encode("age", found) == public
    assert bech32.decode("age", public) == found


@pytest.mark.parametrize(
    "text",
    [
        AGE_KEY[:-1],
        AGE_KEY[:-1] + "Q",
        AGE_KEY[:20] + AGE_KEY[20:].lower(),
        AGE_KEY.replace("1", "", 1),
        AGE_RECIPIENT,
        bech32.encode("age-secret-key-", bytes(31)),
        "",
    ],
)
def test_age_key_with_a_fault_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_identity(text)
