"""Independent writer of encrypted files, from ``docs/file-format.md`` alone, right or with a fault.

All keys and salts are fixed, so that a file is always written with the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"strongroom file\n"
PREAMBLE, COPY, CHECKSUM = 1024, 1536, 32
CHUNKS, FRAMES, LAST = 1, 2, 1
CHUNK, MAX_RECORD = 262_144, 1_048_576
SCOPE = b"gaara-store/prod/files"
TEXT, BYTES, INTEGER = 1, 2, 3


def fixed(name: str) -> bytes:
    return hashlib.sha256(f"strongroom file vectors: {name}".encode()).digest()


FILE_KEY = fixed("file key")


def context(*entries: tuple[str, int, bytes]) -> bytes:
    """Return the encoding of *entries*: name, type and value."""
    encoded = sorted(
        bytes([len(name)]) + name.encode() + bytes([kind]) + len(value).to_bytes(2) + value
        for name, kind, value in entries
    )
    return bytes([len(encoded)]) + b"".join(encoded)


SERVICE = ("service", TEXT, b"gaara-store"), ("environment", TEXT, b"prod")
BACKUP = context(*SERVICE, ("of", TEXT, b"backup"))
LOG = context(
    *SERVICE,
    ("log", TEXT, b"access"),
    ("writer", BYTES, fixed("writer")[:16]),
    ("sequence", INTEGER, b"\1"),
)


def recipient(kind: int, content: bytes, length: int | None = None) -> bytes:
    """Return a recipient, with another *length* than that of *content* on request."""
    return bytes([kind]) + (len(content) if length is None else length).to_bytes(2) + content


def key_service(scope: bytes = SCOPE, size: int = 64) -> bytes:
    """Return a recipient of type 1 whose wrapped file key has *size* bytes."""
    wrapped = (b"\0\0\0\1" + fixed("wrapped file key") * 33)[:size]
    return recipient(1, bytes([len(scope)]) + scope + wrapped)


KEY_SERVICE = key_service()


def private_key(name: str) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(fixed(name))


def x25519_content(
    name: str, *, ephemeral: str = "ephemeral key", file_key: bytes = FILE_KEY
) -> bytes:
    """Return *file_key* sealed for the public key of *name*, as the content of a recipient."""
    sender, public = private_key(ephemeral), private_key(name).public_key()
    return _sealed(sender.public_key(), public, sender.exchange(public), file_key)


def x25519(name: str, *, ephemeral: str = "ephemeral key", file_key: bytes = FILE_KEY) -> bytes:
    """Return a recipient of type 2 for the public key of *name*."""
    return recipient(2, x25519_content(name, ephemeral=ephemeral, file_key=file_key))


def low_order(point: bytes, name: str) -> bytes:
    """Return a recipient for *name* whose ephemeral key *point* makes a shared secret of zeros."""
    ephemeral = X25519PublicKey.from_public_bytes(point)
    return recipient(2, _sealed(ephemeral, private_key(name).public_key(), bytes(32), FILE_KEY))


def _sealed(
    ephemeral: X25519PublicKey, public: X25519PublicKey, shared: bytes, file_key: bytes
) -> bytes:
    salt = ephemeral.public_bytes_raw() + public.public_bytes_raw()
    wrap_key = HKDF(SHA256(), 32, salt=salt, info=b"strongroom file v1 X25519").derive(shared)
    sealed = ChaCha20Poly1305(wrap_key).encrypt(bytes(12), file_key, None)
    return ephemeral.public_bytes_raw() + sealed


def recipients(*encoded: bytes, count: int | None = None) -> bytes:
    """Return a copy of the recipients without its checksum."""
    content = bytes([len(encoded) if count is None else count]) + b"".join(encoded)
    if len(content) > COPY - CHECKSUM:
        raise ValueError("the recipients are longer than a copy")
    return content.ljust(COPY - CHECKSUM, b"\0")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A chunk or a frame, right by default."""

    plaintext: bytes | int = b"attack at dawn"
    counter: int = 0
    final: int = 0
    length: int | None = None
    released: bool = True


@dataclass(frozen=True, kw_only=True)
class File:
    """The parts of a file, right by default. Each can be replaced by a wrong one."""

    salt: bytes
    pieces: Sequence[Piece]
    magic: bytes = MAGIC
    version: int = 1
    body_type: int = CHUNKS
    file_key: bytes = FILE_KEY
    body_key: bytes | None = None
    commitment: bytes | None = None
    context: bytes = BACKUP
    context_length: int | None = None
    end_of_preamble: bytes = b""
    sealed_as: File | None = None
    first: bytes = recipients(KEY_SERVICE)
    second: bytes | None = None

    def derived(self) -> bytes:
        info = b"strongroom file v1" + self.binding()
        return HKDF(SHA256(), 64, salt=self.salt, info=info).derive(self.file_key)

    def binding(self) -> bytes:
        """Return the hash of the preamble without its commitment."""
        return hashlib.sha256(self.preamble(bytes(32))).digest()

    def preamble(self, commitment: bytes | None = None) -> bytes:
        commitment = commitment or self.commitment or self.derived()[32:]
        length = len(self.context) if self.context_length is None else self.context_length
        start = (
            self.magic
            + bytes([self.version, self.body_type])
            + self.salt
            + commitment
            + length.to_bytes(2)
            + self.context
        )
        size = PREAMBLE - len(self.end_of_preamble)
        return start.ljust(size, b"\0") + self.end_of_preamble

    def header(self) -> bytes:
        preamble = self.preamble()
        copies = (self.first, self.first if self.second is None else self.second)
        checked = (copy + hashlib.sha256(preamble + copy).digest() for copy in copies)
        return preamble + b"".join(checked)

    def seal(self, piece: Piece) -> tuple[bytes, bytes]:
        """Return the plaintext of *piece* and its sealed bytes."""
        cipher = AESGCM(self.body_key or self.derived()[:32])
        nonce = piece.counter.to_bytes(11) + bytes([piece.final])
        associated = (self.sealed_as or self).binding()
        plaintext = piece.plaintext
        if isinstance(plaintext, int):
            plaintext = cipher.encrypt(nonce, bytes(plaintext), associated)[:plaintext]
        return plaintext, cipher.encrypt(nonce, plaintext, associated)

    def encode(self) -> tuple[bytes, list[bytes]]:
        """Return the file, and the plaintexts that a reader releases."""
        encoded, released = [self.header()], []
        for piece in self.pieces:
            plaintext, sealed = self.seal(piece)
            if self.framed:
                length = len(sealed) if piece.length is None else piece.length
                encoded.append(length.to_bytes(4))
            encoded.append(sealed)
            if piece.released:
                released.append(plaintext)
        return b"".join(encoded), released

    @property
    def framed(self) -> bool:
        return self.body_type >= FRAMES
