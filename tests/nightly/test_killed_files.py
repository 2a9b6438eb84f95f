"""Encrypting and decrypting, killed at 50 random moments each: never half a file."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from app_integration.host_commands.options import offline_cipher
from tests.support.models.file_parts import RECIPIENT, SCOPE, sample
from tests.support.processes.file_worker import run_killed, work, write_identity

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

MOMENTS = 50


@pytest.mark.parametrize("operation", ["encrypt", "decrypt"])
def test_file_of_a_process_killed_at_random_moments_is_absent_or_whole(
    operation: str, tmp_path: Path
) -> None:
    plain, sealed, target = (tmp_path / name for name in ("plain", "sealed", "target"))
    plain.write_bytes(sample(2**20) * 128)
    cipher, identity = offline_cipher(SCOPE), write_identity(tmp_path)
    cipher.encrypt_file(plain, sealed, recipients=[RECIPIENT])
    source = plain if operation == "encrypt" else sealed
    started = time.monotonic()
    work(cipher, operation, source, target, identity)
    duration, chance, ended = time.monotonic() - started, random.SystemRandom(), 0
    for _ in range(MOMENTS):
        target.unlink(missing_ok=True)
        seconds = chance.uniform(0, duration)
        if run_killed(operation, source, target, identity, seconds):
            ended += 1
            duration = seconds  # because the machine may have been busy when it was measured
        if target.exists():
            whole = target
            if operation == "encrypt":
                whole = tmp_path / "opened"
                cipher.decrypt_file(target, whole, identity=identity)
            assert whole.read_bytes() == plain.read_bytes()
    assert ended < MOMENTS * 3 / 4  # the others were killed before their end
