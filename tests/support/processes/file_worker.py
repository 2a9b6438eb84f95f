"""Process that encrypts or decrypts a file, and that a test kills.

    python -m tests.support.processes.file_worker encrypt|decrypt SOURCE TARGET IDENTITY

It writes a line when it is ready, and begins when it reads one.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from app_integration._internal.private_file import write_private
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.host_commands.options import offline_cipher
from tests.support.models.file_parts import IDENTITY, RECIPIENT, SCOPE

COMMAND = (sys.executable, "-m", "tests.support.processes.file_worker")


def run_killed(operation: str, source: Path, target: Path, identity: Path, after: float) -> bool:
    """Run the process, kill it *after* seconds of its work, and return whether it had ended."""
    with subprocess.Popen(
        [*COMMAND, operation, str(source), str(target), str(identity)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.stdin.write(b"go\n")
        process.stdin.flush()
        with suppress(subprocess.TimeoutExpired):
            process.wait(after)
        process.kill()
        return process.stdout.read() == b"done\n"


def write_identity(folder: Path) -> Path:
    """Write the private key that the process uses, and return its path."""
    path = folder / "identity"
    write_private(path, IDENTITY)
    return path


def work(cipher: FileCipher, operation: str, source: Path, target: Path, identity: Path) -> None:
    if operation == "encrypt":
        cipher.encrypt_file(source, target, recipients=[RECIPIENT])
    else:
        cipher.decrypt_file(source, target, identity=identity)


if __name__ == "__main__":
    print("ready", flush=True)  # noqa: T201 (what the test waits for)
    sys.stdin.readline()
    work(offline_cipher(SCOPE), sys.argv[1], *map(Path, sys.argv[2:]))
    print("done", flush=True)  # noqa: T201 (as above)
