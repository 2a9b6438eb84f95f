"""Processes of PostgreSQL's programs that end with a block, and with this process."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from app_integration._internal.parent_death import parent_death_hook
from backup.interruption import uninterrupted

STOP_SECONDS: Final = 20.0  # from the signal to SIGKILL


@contextmanager
def child_process(
    command: Sequence[str], number: signal.Signals, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* during the block, and terminate it after that, if it is running then.

    It gets the signal *number*, also if this process is killed. It is in a session of its own, so
    that Ctrl-C reaches this process only.
    """
    started: list[subprocess.Popen[bytes]] = []
    try:
        with uninterrupted():
            started.append(
                subprocess.Popen(
                    command,
                    env=program_variables(),
                    start_new_session=True,
                    preexec_fn=parent_death_hook(number),  # noqa: PLW1509 (it only calls prctl)
                    **options,
                )
            )
        yield started[0]
    finally:
        with uninterrupted():
            for process in started:
                _end(process, number)


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        # The children of initdb are in its group.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def program_variables() -> dict[str, str]:
    """Return the variables of PostgreSQL's programs: none that contains a secret or a setting."""
    kept = ("HOME", "PATH", "TMPDIR", "PGSSLROOTCERT", "PGSYSCONFDIR", "SSL_CERT_FILE")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    return {**found, "LC_ALL": "C"}
