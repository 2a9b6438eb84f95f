"""Bodies of chunks. Chunks are read and written in batches, which takes fewer system calls."""

from __future__ import annotations

from typing import Final

from app_integration.encryption.files.body import TAG_SIZE, BodyCipher
from app_integration.encryption.files.streams import (
    Progress,
    Source,
    Target,
    new_buffer,
    read_parts,
    report_nothing,
    write_all,
)
from app_integration.errors import EncryptionError, raise_decryption_failed

CHUNK_SIZE: Final = 262_144  # bytes of plaintext
SEALED_SIZE: Final = CHUNK_SIZE + TAG_SIZE
MAX_CHUNKS: Final = 2**26  # of one file
PER_BATCH: Final = 4  # chunks
BATCH_SIZE: Final = PER_BATCH * CHUNK_SIZE
SEALED_BATCH_SIZE: Final = PER_BATCH * SEALED_SIZE


def encrypt_stream(
    cipher: BodyCipher, source: Source, target: Target, progress: Progress = report_nothing
) -> None:
    """Encrypt *source* up to its end, and write the body to *target*."""
    sealed, done = new_buffer(SEALED_BATCH_SIZE), 0
    for number, (plain, last) in enumerate(read_parts(source, BATCH_SIZE)):
        write_all(target, seal_batch(cipher, number * PER_BATCH, plain, sealed, last=last))
        done += len(plain)
        progress(done)


def decrypt_stream(
    cipher: BodyCipher, source: Source, target: Target, progress: Progress = report_nothing
) -> None:
    """Decrypt the body at the position of *source*, and write each verified batch to *target*.

    After an error, *target* has the batches before it.
    """
    plain, done = new_buffer(BATCH_SIZE), 0
    for number, (sealed, last) in enumerate(read_parts(source, SEALED_BATCH_SIZE)):
        write_all(target, open_batch(cipher, number * PER_BATCH, sealed, plain, last=last))
        done += len(sealed)
        progress(done)


def seal_batch(
    cipher: BodyCipher, position: int, plain: memoryview, out: memoryview, *, last: bool
) -> memoryview:
    """Encrypt the chunks of *plain*, and return the part of *out* that they fill."""
    count = max(1, -(-len(plain) // CHUNK_SIZE))
    if position + count > MAX_CHUNKS:
        raise EncryptionError("a file cannot be larger than 16 TiB; split it")
    for index in range(count):
        part = plain[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]
        start = index * SEALED_SIZE
        into = out[start : start + len(part) + TAG_SIZE]
        cipher.seal_into(position + index, part, into, last=last and index == count - 1)
    return out[: len(plain) + count * TAG_SIZE]


def open_batch(
    cipher: BodyCipher, position: int, sealed: memoryview, out: memoryview, *, last: bool
) -> memoryview:
    """Decrypt the chunks of *sealed*, and return the part of *out* that they fill."""
    count = -(-len(sealed) // SEALED_SIZE)
    size = len(sealed) - count * TAG_SIZE
    if not is_possible_size(position * SEALED_SIZE + len(sealed)):
        raise_decryption_failed("file")
    for index in range(count):
        part = sealed[index * SEALED_SIZE : (index + 1) * SEALED_SIZE]
        start = index * CHUNK_SIZE
        into = out[start : start + len(part) - TAG_SIZE]
        cipher.open_into(position + index, part, into, last=last and index == count - 1)
    return out[:size]


def is_possible_size(sealed: int) -> bool:
    """Return whether a body can have *sealed* bytes.

    Its last chunk has a tag, and it is without plaintext only if it is the first chunk.
    """
    count = -(-sealed // SEALED_SIZE)
    last = sealed - (count - 1) * SEALED_SIZE
    return 0 < count <= MAX_CHUNKS and (last > TAG_SIZE or sealed == TAG_SIZE)


def plain_size(sealed: int) -> int:
    """Return the bytes of plaintext of a body of *sealed* bytes."""
    if not is_possible_size(sealed):
        raise_decryption_failed("file")
    return sealed - -(-sealed // SEALED_SIZE) * TAG_SIZE
