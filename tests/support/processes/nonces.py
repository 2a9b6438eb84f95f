"""What forked processes encrypt with: every (first bytes, nonce) of their tokens, counted."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from tests.support.models.cipher_parts import World

PROCESSES = 4
_KEPT = 17  # bytes of a token: type and suite, data key id, nonce


def drawn(total: int) -> np.ndarray[tuple[int], np.dtype[np.bytes_]]:
    """The first 17 bytes of each of *total* tokens, written by four forks of one warm process.

    One value at a time, as declared field and as mapping, and in columns.
    """
    cipher = World().process()
    cipher.encrypt_field("warm", {"user_id": 7})
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, str(number)) for number in range(PROCESSES)]
        children = []
        for file in files:
            child = os.fork()
            if child == 0:
                try:
                    file.write_bytes(_work(cipher, total // PROCESSES))
                finally:
                    os._exit(0)
            children.append(child)
        for child in children:
            _, status = os.waitpid(child, 0)
            assert status == 0
        raw = b"".join(file.read_bytes() for file in files)
    return np.frombuffer(raw, dtype=f"S{_KEPT}")


def _work(cipher: object, count: int) -> bytes:
    assert hasattr(cipher, "field")
    field, encrypt = cipher.field("users.email", ["user_id"]), cipher.encrypt_field  # type: ignore[attr-defined] # a FieldCipher
    single = count // 3
    kept = [field.encrypt("x", number)[:_KEPT] for number in range(single)]
    kept += [encrypt("x", {"user_id": number})[:_KEPT] for number in range(single)]
    rest = count - 2 * single
    kept += [token[:_KEPT] for token in field.encrypt_many(["x"] * rest, range(rest))]
    return b"".join(kept)


def repeated(found: np.ndarray[tuple[int], np.dtype[np.bytes_]]) -> int:
    """How many of *found* are there more than once."""
    return len(found) - len(np.unique(found))
