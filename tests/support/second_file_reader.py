"""Second reader of encrypted files, written from ``docs/file-format.md`` alone.

It shares no code with the library, reads a whole file from memory, and is strict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.support import bech32

MAGIC = b"strongroom file\n"
PREAMBLE, COPY, CHECKSUM, HEADER = 1024, 1536, 32, 4096
CONTEXT, MAX_CONTEXT = 84, 940
CHUNKS, FRAMES = 1, 2
KEY_SERVICE, X25519 = 1, 2
TAG, CHUNK, MAX_RECORD = 16, 262_144, 1_048_576

#: Returns the plaintext of (sealed, counter, final).
Opener = Callable[[bytes, int, bool], bytes]


class NoMatch(Exception):
    """No recipient of the file can be unwrapped."""


class Failure(Exception):
    """Any other failed check, with the plaintext that was verified before it."""

    def __init__(self, reason: str, verified: bytes | Sequence[bytes] = b"") -> None:
        super().__init__(reason)
        self.verified = verified


@dataclass
class Log:
    """Records of a log, and how its file ends: ``closed``, ``open`` or ``incomplete``."""

    records: list[bytes] = field(default_factory=list)
    end: str = "open"


@dataclass(frozen=True)
class Recipient:
    kind: int
    content: bytes


def read_file(
    data: bytes,
    context: bytes,
    *,
    file_key: bytes | None = None,
    identity: str | None = None,
) -> bytes | Log:
    """Return the plaintext of the file *data*, or the records of a log."""
    preamble, recipients = parse_header(data, context)
    key = _find_file_key(recipients, file_key, identity)
    binding = _sha256(preamble[:50] + bytes(32) + preamble[82:])
    info = b"strongroom file v1" + binding
    derived = HKDF(SHA256(), 64, salt=preamble[18:50], info=info).derive(key)
    if not bytes_eq(derived[32:], preamble[50:82]):
        raise Failure("the commitment is wrong")
    cipher = AESGCM(derived[:32])

    def open_sealed(sealed: bytes, counter: int, final: bool) -> bytes:
        return cipher.decrypt(counter.to_bytes(11) + bytes([final]), sealed, binding)

    read_body = _read_chunks if preamble[17] == CHUNKS else _read_frames
    return read_body(data[HEADER:], open_sealed)


def parse_header(data: bytes, context: bytes) -> tuple[bytes, list[Recipient]]:
    """Return the preamble and the recipients of the first copy."""
    if len(data) < HEADER:
        raise Failure("the header is incomplete")
    preamble = data[:PREAMBLE]
    if preamble[:17] != MAGIC + b"\1" or preamble[17] not in {CHUNKS, FRAMES}:
        raise Failure("another format, version or body type")
    size = int.from_bytes(preamble[82:84])
    if size > MAX_CONTEXT or any(preamble[CONTEXT + size :]):
        raise Failure("the context is too long, or not followed by zeros")
    first = _parse_copy(preamble, data[PREAMBLE : PREAMBLE + COPY])
    _parse_copy(preamble, data[PREAMBLE + COPY : HEADER])
    if preamble[CONTEXT : CONTEXT + size] != context:
        raise Failure("another context")
    return preamble, first


def _parse_copy(preamble: bytes, copy: bytes) -> list[Recipient]:
    content, checksum = copy[:-CHECKSUM], copy[-CHECKSUM:]
    if _sha256(preamble + content) != checksum:
        raise Failure("the checksum of a copy of the recipients is wrong")
    count, rest = content[0], content[1:]
    if not 1 <= count <= 16:
        raise Failure("the number of recipients is wrong")
    recipients = []
    for _ in range(count):
        end = 3 + int.from_bytes(rest[1:3])
        if len(rest) < end:
            raise Failure("a recipient is longer than the copy")
        recipients.append(Recipient(rest[0], rest[3:end]))
        rest = rest[end:]
    if any(rest):
        raise Failure("the recipients are not followed by zeros")
    for each in recipients:
        _check_form(each)
    return recipients


def _check_form(recipient: Recipient) -> None:
    content = recipient.content
    if recipient.kind == X25519 and len(content) != CHECKSUM + 48:
        raise Failure("a recipient of type 2 has another length")
    if recipient.kind == KEY_SERVICE:
        size = content[0] if content else 0
        scope, wrapped = content[1 : 1 + size], content[1 + size :]
        if not (scope.isascii() and scope.count(b"/") == 2 and all(scope.split(b"/"))):
            raise Failure("the scope of a recipient of type 1 is wrong")
        if not 1 <= len(wrapped) <= 1024:
            raise Failure("the wrapped file key has a wrong length")


def _find_file_key(
    recipients: Sequence[Recipient], file_key: bytes | None, identity: str | None
) -> bytes:
    """Return the file key of the first recipient that can be unwrapped."""
    private_key = None if identity is None else load_identity(identity)
    for each in recipients:
        if each.kind == KEY_SERVICE and file_key is not None:
            return file_key
        if each.kind == X25519 and private_key is not None:
            found = _unwrap(each.content, private_key)
            if found is not None:
                return found
    raise NoMatch("no recipient can be unwrapped")


def load_identity(text: str) -> X25519PrivateKey:
    """Return the private key that age writes as *text*."""
    return X25519PrivateKey.from_private_bytes(bech32.decode("age-secret-key-", text))


def _unwrap(content: bytes, private_key: X25519PrivateKey) -> bytes | None:
    ephemeral, sealed = content[:32], content[32:]
    try:
        shared = private_key.exchange(X25519PublicKey.from_public_bytes(ephemeral))
    except ValueError:
        raise Failure("the shared secret is zero") from None
    salt = ephemeral + private_key.public_key().public_bytes_raw()
    wrap_key = HKDF(SHA256(), 32, salt=salt, info=b"strongroom file v1 X25519").derive(shared)
    try:
        return ChaCha20Poly1305(wrap_key).decrypt(bytes(12), sealed, None)
    except InvalidTag:
        return None


def _read_chunks(body: bytes, open_sealed: Opener) -> bytes:
    verified = bytearray()
    counter, final = 0, False
    while not final:
        start = counter * (CHUNK + TAG)
        sealed = body[start : start + CHUNK + TAG]
        final = start + len(sealed) == len(body)
        if len(sealed) < TAG or (len(sealed) == TAG and counter > 0):
            raise Failure("the body does not end with a last chunk", bytes(verified))
        try:
            verified += open_sealed(sealed, counter, final)
        except InvalidTag:
            raise Failure(f"the tag of chunk {counter} is wrong", bytes(verified)) from None
        counter += 1
    return bytes(verified)


def _read_frames(body: bytes, open_sealed: Opener) -> Log:
    log = Log()

    def fail(reason: str) -> NoReturn:
        raise Failure(reason, log.records) from None

    while body:
        if log.end == "closed":
            fail("the last frame is followed by bytes")
        size = int.from_bytes(body[:4])
        if len(body) >= 4 and not TAG <= size <= MAX_RECORD + TAG:
            fail("the length of a frame is wrong")
        if len(body) < 4 + size:
            log.end = "incomplete"
            break
        try:
            record = open_sealed(body[4 : 4 + size], len(log.records), size == TAG)
        except InvalidTag:
            fail(f"the tag of frame {len(log.records)} is wrong")
        if size == TAG:
            log.end = "closed"
        else:
            log.records.append(record)
        body = body[4 + size :]
    return log


def _sha256(data: bytes) -> bytes:
    digest = Hash(SHA256())
    digest.update(data)
    return digest.finalize()
