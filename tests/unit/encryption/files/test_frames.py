"""Frames of encrypted logs: written whole, read in any pieces, and rejected if altered."""

from __future__ import annotations

from typing import Final

import pytest

from app_integration.encryption.files.body import BodyCipher
from app_integration.encryption.files.file_key import FileKey
from app_integration.encryption.files.frames import (
    MAX_RECORD,
    OVERHEAD,
    FrameReader,
    encode_frame,
    encode_last_frame,
)
from app_integration.encryption.files.log_context import LogContext, check_log_name
from app_integration.encryption.files.preamble import Body, Preamble
from app_integration.encryption.files.recipient import KEY_SERVICE, Recipient
from app_integration.errors import ConfigurationError, DecryptionFailed
from app_integration.names import Environment, Scope

SCOPE: Final = Scope("shop", Environment.PROD)
CONTEXT: Final = LogContext(SCOPE, "access", bytes(16), 1)
RECORDS: Final = [b"one", b"two" * 1000, b"\n"]


def start() -> BodyCipher:
    """Return the cipher of a new file."""
    recipient = Recipient(KEY_SERVICE, b"\x0fshop/prod/audit" + bytes(32))
    return FileKey(bytes(32), (recipient,)).start(Body.FRAMES, CONTEXT.encode())[1]


def parse(bound: bytes) -> LogContext:
    return LogContext.read(Preamble(Body.FRAMES, bytes(32), bound))


@pytest.fixture
def cipher() -> BodyCipher:
    return start()


def body(cipher: BodyCipher, records: list[bytes], *, closed: bool = True) -> bytes:
    frames = [encode_frame(cipher, number, record) for number, record in enumerate(records)]
    return b"".join([*frames, encode_last_frame(cipher, len(records))] if closed else frames)


@pytest.mark.parametrize("piece", [1, 3, 4, 21, 10_000])
def test_reader_fed_in_pieces_yields_all_records(cipher: BodyCipher, piece: int) -> None:
    whole, reader, found = body(cipher, RECORDS), FrameReader(cipher), list[bytes]()
    for start in range(0, len(whole), piece):
        found += reader.feed(whole[start : start + piece])
    assert found == RECORDS
    assert (reader.is_closed, reader.pending, reader.count) == (True, 0, 3)


def test_reader_of_each_prefix_yields_the_complete_records(cipher: BodyCipher) -> None:
    whole = body(cipher, [b"one", b"two"])
    one, two = (OVERHEAD + 3, 2 * (OVERHEAD + 3))
    for end in range(len(whole)):
        reader = FrameReader(cipher)
        assert list(reader.feed(whole[:end])) == [b"one", b"two"][: (end >= one) + (end >= two)]
        assert not reader.is_closed
        assert reader.pending == end - (two if end >= two else one if end >= one else 0)


def test_reader_rejects_every_changed_byte(cipher: BodyCipher) -> None:
    whole = body(cipher, [b"one", b"two"])
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1
        reader, found = FrameReader(cipher), list[bytes]()
        try:
            found += reader.feed(bytes(changed))
        except DecryptionFailed:
            pass
        else:
            assert reader.pending  # a changed length waits for bytes that do not come
        assert not reader.is_closed
        assert found == [b"one", b"two"][: len(found)]


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 0, 1], [0, 2], [1, 2]])
def test_reader_of_moved_repeated_or_dropped_frames_raises(
    cipher: BodyCipher, order: list[int]
) -> None:
    frames = [encode_frame(cipher, number, record) for number, record in enumerate(RECORDS)]
    with pytest.raises(DecryptionFailed):
        list(FrameReader(cipher).feed(b"".join(frames[number] for number in order)))


def test_reader_rejects_bytes_after_the_last_frame(cipher: BodyCipher) -> None:
    reader = FrameReader(cipher)
    assert list(reader.feed(body(cipher, [b"one"]))) == [b"one"]
    with pytest.raises(DecryptionFailed):
        list(reader.feed(b"\0"))


@pytest.mark.parametrize("length", [0, 15, MAX_RECORD + 17, 2**32 - 1])
def test_reader_rejects_a_length_at_once(cipher: BodyCipher, length: int) -> None:
    with pytest.raises(DecryptionFailed):
        list(FrameReader(cipher).feed(length.to_bytes(4, "big")))


def test_reader_releases_the_records_before_an_altered_one(cipher: BodyCipher) -> None:
    whole = bytearray(body(cipher, RECORDS))
    whole[OVERHEAD + 3 + 10] ^= 1
    reader, found = FrameReader(cipher), list[bytes]()
    for _ in range(2):
        with pytest.raises(DecryptionFailed):
            found.extend(reader.feed(bytes(whole)))
        whole.clear()
    assert found == [b"one"]


def test_last_frame_of_another_file_is_rejected(cipher: BodyCipher) -> None:
    other = start()
    with pytest.raises(DecryptionFailed):
        list(FrameReader(cipher).feed(encode_last_frame(other, 0)))


@pytest.mark.parametrize("size", [0, MAX_RECORD + 1])
def test_encode_frame_of_a_wrong_size_raises(cipher: BodyCipher, size: int) -> None:
    with pytest.raises(ValueError, match="a record has"):
        encode_frame(cipher, 0, bytes(size))


def test_largest_record_is_read_again(cipher: BodyCipher) -> None:
    record = bytes(MAX_RECORD)
    assert list(FrameReader(cipher).feed(encode_frame(cipher, 0, record))) == [record]


def test_context_is_parsed_again() -> None:
    context = LogContext(SCOPE, "app.http", b"w" * 16, 70_000)
    assert parse(context.encode()) == context


def test_context_with_any_changed_or_missing_byte_is_another_or_rejected() -> None:
    encoded = CONTEXT.encode()
    for position in range(len(encoded)):
        changed = bytearray(encoded)
        changed[position] ^= 1
        for candidate in (bytes(changed), encoded[:position], encoded + encoded[:position][:1]):
            if candidate == encoded:
                continue
            try:
                found = parse(candidate)
            except DecryptionFailed:
                continue
            assert found != CONTEXT
            assert found.encode() == candidate


@pytest.mark.parametrize("context", [b"", b"\0", b"\xff", b"\5\x03log"])
def test_context_that_is_none_of_a_log_is_rejected(context: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        parse(context)


@pytest.mark.parametrize("sequence", [0, -1])
def test_context_with_a_wrong_sequence_is_rejected(sequence: int) -> None:
    with pytest.raises(DecryptionFailed):
        parse(LogContext(SCOPE, "app", bytes(16), sequence).encode())


@pytest.mark.parametrize("name", ["", "../app", "a/b", ".app", "app-", "a b", "a" * 65])
def test_name_that_may_not_be_in_a_file_name_is_rejected(name: str) -> None:
    with pytest.raises(ConfigurationError, match="log name"):
        check_log_name(name)
