"""File ciphers for tests, with one key service for all keys."""

from __future__ import annotations

from app_integration.encryption.files.chunks import CHUNK_SIZE
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.encryption.files.recipient import ServiceKey
from app_integration.errors import AccessDenied
from app_integration.names import Environment, Scope
from tests.support.models.cipher_parts import KeyService

SCOPE = Scope("parcels", Environment("prod"))
#: Sizes around the boundaries of chunks and batches.
SIZES = (0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 4 * CHUNK_SIZE, 4 * CHUNK_SIZE + 1)
#: A key pair of age, which protects nothing.
RECIPIENT = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
IDENTITY = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"


class FileServices:
    """The key services of every key; keys in *denied* may not be used."""

    def __init__(self) -> None:
        self.service = KeyService()
        self.denied: set[str] = set()
        self.asked: list[str] = []

    def __call__(self, key: ServiceKey) -> KeyService:
        self.asked.append(key.text)
        if key.text in self.denied:
            raise AccessDenied(f"{key.text} is denied")
        return self.service


def file_cipher(
    services: FileServices | None = None, *, scope: Scope = SCOPE, key: str | None = "pii"
) -> FileCipher:
    return FileCipher(services or FileServices(), scope, key)


def sample(size: int) -> bytes:
    """Return *size* bytes in which each block of 32 bytes is different."""
    return b"".join(number.to_bytes(32, "big") for number in range(-(-size // 32)))[:size]
