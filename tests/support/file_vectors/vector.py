"""One vector of the encrypted file format: how it is built, stored and loaded."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import bech32
from tests.support.file_vectors.edits import Edit
from tests.support.file_vectors.writer import FILE_KEY, LAST, File, Piece, fixed

FOLDER = Path(__file__).parents[2] / "vectors" / "file-v1"
#: Longer files are compressed. Their ciphertext is zeros.
LONG = 65_536
SUCCESS, FAILURE, NO_MATCH = "success", "failure", "no match"


@dataclass(frozen=True)
class Vector:
    """A file and the lines before it, as ``docs/file-format.md`` lists them."""

    name: str
    lines: dict[str, str]
    file: bytes

    def encode(self) -> bytes:
        lines = "".join(f"{name}: {value}\n" for name, value in self.lines.items())
        compressed = "compressed" in self.lines
        return f"{lines}\n".encode() + (zlib.compress(self.file, 9) if compressed else self.file)

    @property
    def context(self) -> bytes:
        return bytes.fromhex(self.lines["context"])

    @property
    def file_key(self) -> bytes | None:
        """Return the file key, unless an identity unwraps it."""
        text = self.lines.get("file key")
        return None if text is None else bytes.fromhex(text)


def load(path: Path) -> Vector:
    head, _, file = path.read_bytes().partition(b"\n\n")
    pairs = (line.split(": ", 1) for line in head.decode().splitlines())
    lines = {name: value for name, value in pairs}  # noqa: C416 - split returns lists
    return Vector(path.name, lines, zlib.decompress(file) if "compressed" in lines else file)


def payload_of(parts: bytes | Sequence[bytes]) -> str:
    """Return the SHA-256 of a plaintext, or of the records of a log."""
    if not isinstance(parts, bytes):
        parts = b"".join(record + b"\n" for record in parts)
    return hashlib.sha256(parts).hexdigest()


def build(
    name: str,
    comment: str,
    *pieces: Piece,
    expect: str = SUCCESS,
    identity: str | None = None,
    expected: bytes | None = None,
    end: str | None = None,
    edit: Edit = bytes,
    **changes: Any,
) -> Vector:
    short = Piece(final=LAST, released=expect == SUCCESS)
    file = File(salt=fixed(f"salt of {name}"), pieces=pieces or [short], **changes)
    encoded, released = file.encode()
    data = edit(encoded)
    lines = {
        "expect": expect,
        "payload": payload_of(released if file.framed else b"".join(released)),
        **({"end": end} if end else {}),
        **({"identity": age_private_key(identity)} if identity else {"file key": FILE_KEY.hex()}),
        "context": (file.context if expected is None else expected).hex(),
        **({"compressed": "zlib"} if len(data) > LONG else {}),
        "comment": comment,
    }
    return Vector(name, lines, data)


def failure(name: str, comment: str, *pieces: Piece, **changes: Any) -> Vector:
    """Return a vector that a reader rejects. See :func:`build`."""
    return build(name, comment, *pieces, expect=FAILURE, **changes)


def age_private_key(name: str) -> str:
    """Return the private key that *name* stands for, as age prints it."""
    return bech32.encode("age-secret-key-", fixed(name)).upper()
