"""PostgreSQL's client programs ``pg_dump`` and ``pg_restore``, of the installed wheel.

They die with this process. Their messages are reported without details, which would contain data.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, Final

from backup.archive import CHUNK
from backup.child_process import child_process
from backup.errors import BackupFailed
from backup.login import DatabaseLogin, descriptor_path
from local.processes import binaries

_DUMP: Final = (
    *("--format=custom", "--compress=none", "--no-password", "--lock-wait-timeout=60s"),
    # Because a restored copy must not begin to replicate.
    *("--no-publications", "--no-subscriptions"),
)
_RESTORE: Final = (
    *("--format=custom", "--single-transaction", "--exit-on-error", "--no-owner", "--no-password"),
)
_MAX_MESSAGE: Final = 300


@contextmanager
def dump(login: DatabaseLogin, snapshot: str) -> Iterator[Iterator[bytes]]:
    """Dump an exported *snapshot* during the block, which must read all of it."""
    with login.password_file() as (database, inherited):
        options = (*_DUMP, f"--snapshot={snapshot}", f"--dbname={database}")
        with _run("pg_dump", options, inherited, stdout=subprocess.PIPE) as process:
            yield iter(partial(_pipe(process.stdout).read, CHUNK), b"")


def restore(login: DatabaseLogin, pieces: Iterable[bytes], *, role: str, entries: str) -> None:
    """Restore a dump in one transaction, as far as *entries* list it; *role* owns all objects."""
    with login.password_file() as (database, inherited), tempfile.TemporaryFile() as listed:
        listed.write(entries.encode())
        listed.flush()
        options = (
            *(*_RESTORE, f"--role={role}", f"--use-list={descriptor_path(listed)}"),
            f"--dbname={database}",
        )
        descriptors = (*inherited, listed.fileno())
        with _run("pg_restore", options, descriptors, stdin=subprocess.PIPE) as process:
            _feed(process, pieces)


def list_entries(pieces: Iterable[bytes]) -> str:
    """Return the table of contents of a dump. Only the dump's beginning is read."""
    with tempfile.TemporaryFile() as output:
        options = ("--format=custom", "--list")
        with _run("pg_restore", options, (), stdin=subprocess.PIPE, stdout=output) as process:
            _feed(process, pieces)
        output.seek(0)
        return output.read().decode()


@contextmanager
def _run(
    name: str,
    options: Sequence[str],
    descriptors: Sequence[int],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program during the block, and kill it if the block raises an exception."""
    binary = binaries.postgres_folder() / "bin" / name
    with (
        tempfile.TemporaryFile() as messages,
        child_process(
            [str(binary), *options],
            signal.SIGKILL,
            stdin=stdin,
            stdout=stdout,
            stderr=messages,
            pass_fds=tuple(descriptors),
        ) as process,
    ):
        yield process
        _close(process)
        process.wait()
        if process.returncode:
            messages.seek(0)
            reason = _first_error(messages.read())
            raise BackupFailed(f"{name} failed: {reason}; correct that, and run the command again")


def _feed(process: subprocess.Popen[bytes], pieces: Iterable[bytes]) -> None:
    """Write *pieces* to the program, until it reads no more."""
    pipe = _pipe(process.stdin)
    for piece in pieces:
        try:
            pipe.write(piece)
        except BrokenPipeError:
            return


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise TypeError("the program was started without this pipe")
    return pipe


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _first_error(messages: bytes) -> str:
    """Return the first line that reports an error, without the lines that contain data."""
    lines = messages.decode(errors="replace").splitlines()
    found = next((line for line in lines if ": error: " in line), "it gave no reason")
    return found.partition(": error: ")[2][:_MAX_MESSAGE] or found
