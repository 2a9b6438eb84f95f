"""The header of an encrypted file: the preamble, and two copies of the recipients."""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import FileIO
from typing import Final

from app_integration.encryption.files import preamble as preambles
from app_integration.encryption.files.body import BodyCipher, derive_keys
from app_integration.encryption.files.preamble import Preamble, parse_preamble
from app_integration.encryption.files.recipient import MAX_RECIPIENTS, Recipient, check_form
from app_integration.encryption.files.streams import Source, fill, new_buffer, write_all
from app_integration.errors import EncryptionError, raise_decryption_failed

SIZE: Final = 4096  # bytes
_COPY_SIZE: Final = 1536
#: Offsets of the copies of the recipients. The first copy counts, so it is replaced last.
FIRST_COPY: Final = preambles.SIZE
SECOND_COPY: Final = preambles.SIZE + _COPY_SIZE

_CHECKSUM_SIZE: Final = 32
_CHECKED_SIZE: Final = _COPY_SIZE - _CHECKSUM_SIZE


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header. *is_intact* is False if one copy of the recipients is damaged."""

    preamble: Preamble
    recipients: tuple[Recipient, ...]
    is_intact: bool = True

    def encode(self) -> bytes:
        """Return the 4,096 bytes."""
        start = self.preamble.encode()
        return start + 2 * encode_recipients(start, self.recipients)

    def body_cipher(self, file_key: bytes) -> BodyCipher | None:
        """Return the cipher of the body; None if *file_key* is not the key of this file."""
        binding = self.preamble.binding
        body_key, commitment = derive_keys(file_key, self.preamble.salt, binding)
        if not hmac.compare_digest(commitment, self.preamble.commitment):
            return None
        return BodyCipher(body_key, binding)


def read_header(source: Source, *, allow_damage: bool = False) -> Header:
    """Return the header at the current position of *source*."""
    encoded = new_buffer(SIZE)
    header = parse_header(bytes(encoded[: fill(source, encoded)]))
    if not (header.is_intact or allow_damage):
        raise_decryption_failed("file")
    return header


def parse_header(encoded: bytes) -> Header:
    """Return the header that *encoded* is. One copy of the recipients may be damaged."""
    if len(encoded) != SIZE:
        raise_decryption_failed("file")
    start = encoded[: preambles.SIZE]
    preamble = parse_preamble(start)
    copies = [encoded[offset : offset + _COPY_SIZE] for offset in (FIRST_COPY, SECOND_COPY)]
    intact = [
        _parse_recipients(copy) for copy in copies if copy[_CHECKED_SIZE:] == _checksum(start, copy)
    ]
    if not intact:
        raise_decryption_failed("file")
    return Header(preamble, intact[0], len(intact) == len(copies))


def encode_recipients(preamble: bytes, recipients: Sequence[Recipient]) -> bytes:
    """Return one copy of *recipients*."""
    entries = b"".join(
        bytes((each.kind,)) + len(each.content).to_bytes(2, "big") + each.content
        for each in recipients
    )
    if not 0 < len(recipients) <= MAX_RECIPIENTS or 1 + len(entries) > _CHECKED_SIZE:
        raise EncryptionError(
            f"the header of a file cannot hold {len(recipients)} recipients; use 1 to "
            f"{MAX_RECIPIENTS}, or fewer if their keys are long"
        )
    padded = (bytes((len(recipients),)) + entries).ljust(_CHECKED_SIZE, b"\x00")
    return padded + _checksum(preamble, padded)


def _checksum(preamble: bytes, copy: bytes) -> bytes:
    return sha256(preamble + copy[:_CHECKED_SIZE]).digest()


def _parse_recipients(copy: bytes) -> tuple[Recipient, ...]:
    recipients, rest = [], copy[1:_CHECKED_SIZE]
    if not 0 < copy[0] <= MAX_RECIPIENTS:
        raise_decryption_failed("file")
    for _ in range(copy[0]):
        end = 3 + int.from_bytes(rest[1:3], "big")
        if end > len(rest):
            raise_decryption_failed("file")
        recipients.append(Recipient(rest[0], rest[3:end]))
        check_form(recipients[-1])
        rest = rest[end:]
    if any(rest):
        raise_decryption_failed("file")
    return tuple(recipients)


def replace_recipients(file: FileIO, header: Header, recipients: Sequence[Recipient]) -> None:
    """Replace both copies of the recipients in place, so that one of them is always intact."""
    preamble = header.preamble.encode()
    new = encode_recipients(preamble, recipients)
    if not header.is_intact:
        # Otherwise a crash while the only intact copy is written would leave none.
        _write_copies(file, encode_recipients(preamble, header.recipients))
    _write_copies(file, new)


def _write_copies(file: FileIO, copy: bytes) -> None:
    for offset in (SECOND_COPY, FIRST_COPY):
        file.seek(offset)
        write_all(file, memoryview(copy))
        os.fsync(file.fileno())
