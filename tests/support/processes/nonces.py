"""Nonces of forked processes: the prefixes of their tokens, and the number of repeated ones."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from tests.support.models.cipher_parts import World

PROCESSES = 4
_KEPT = 17  # bytes of a token: type and suite, data key id, nonce


def token_prefixes(total: int) -> np.ndarray[tuple[int], np.dtype[np.bytes_]]:
    """Return the first 17 bytes of *total* tokens, encrypted in forks of a process with a key."""
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


def count_repeated(prefixes: np.ndarray[tuple[int], np.dtype[np.bytes_]]) -> int:
    return len(prefixes) - len(np.unique(prefixes))
