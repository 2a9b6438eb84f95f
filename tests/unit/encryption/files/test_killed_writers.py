"""Processes that are killed while they write a file: its name is absent, or the file is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app_integration.host_commands.options import offline_cipher
from tests.support.models.file_parts import RECIPIENT, SCOPE, sample
from tests.support.processes.file_worker import run_killed, write_identity

MIB = 2**20
MOMENTS = (0.002, 0.02)  # seconds; the nightly test has more


@pytest.mark.parametrize("operation", ["encrypt", "decrypt"])
def test_file_written_by_a_killed_process_is_absent_or_whole(
    operation: str, tmp_path: Path
) -> None:
    plain, sealed, target = (tmp_path / name for name in ("plain", "sealed", "target"))
    content = sample(MIB) * 48
    plain.write_bytes(content)
    cipher, identity = offline_cipher(SCOPE), write_identity(tmp_path)
    cipher.encrypt_file(plain, sealed, recipients=[RECIPIENT])
    source = plain if operation == "encrypt" else sealed
    for after in MOMENTS:
        has_ended = run_killed(operation, source, target, identity, after)
        assert target.exists() >= has_ended
    # The next writer is not disturbed by what was left.
    assert run_killed(operation, source, target, identity, 30.0)
    if operation == "encrypt":
        cipher.decrypt_file(target, tmp_path / "opened", identity=identity)
        target = tmp_path / "opened"
    assert target.read_bytes() == content
    assert not list(tmp_path.glob(".*.new"))


#: Program that leaves a file object open at its exit.
OPEN_AT_EXIT = """
import sys
from pathlib import Path
from app_integration.host_commands.options import offline_cipher
from tests.support.models.file_parts import RECIPIENT, SCOPE
writer = offline_cipher(SCOPE).create(Path(sys.argv[1]), recipients=[RECIPIENT])
writer.write(b"half")
"""


def test_file_object_left_open_at_exit_leaves_no_file(tmp_path: Path) -> None:
    target = tmp_path / "target"
    done = subprocess.run([sys.executable, "-c", OPEN_AT_EXIT, str(target)], check=False)
    assert done.returncode == 0
    assert not target.exists()


#: Program that encrypts a file, and prints the largest memory of the process before and after.
MEMORY = """
import resource, sys
from pathlib import Path
from app_integration.host_commands.options import offline_cipher
from tests.support.models.file_parts import RECIPIENT, SCOPE
cipher, folder, threads = offline_cipher(SCOPE), Path(sys.argv[1]), int(sys.argv[2])
identity = folder / "identity"
def run(name):
    cipher.encrypt_file(folder / name, folder / "out", recipients=[RECIPIENT], threads=threads)
    cipher.decrypt_file(folder / "out", folder / "opened", identity=identity, threads=threads)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(run("small"), run("large"))
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_memory_for_a_large_file_is_that_of_a_few_chunks(tmp_path: Path, threads: int) -> None:
    write_identity(tmp_path)
    (tmp_path / "small").write_bytes(b"x")
    (tmp_path / "large").write_bytes(bytes(MIB) * 32)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path), str(threads)],
        check=True,
        capture_output=True,
        text=True,
    )
    small, large = map(int, done.stdout.split())
    assert large - small <= 8 * 1024  # KiB
