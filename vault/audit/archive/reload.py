"""Reload of the server, which then opens the files of its audit devices again."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from app_integration.errors import ConfigurationError
from vault.audit.archive.errors import ArchiveFailed
from vault.audit.archive.live_log import LiveLog, RotatedLog, Writers

#: Tells the server to reload.
Reload: TypeAlias = Callable[[], None]

DEADLINE: Final = 30.0  # seconds
_COMMAND_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.02


def parse_command(text: str) -> list[str]:
    """Return the words of a command. No shell runs it."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigurationError(f"the reload command {text!r}: {error}; correct it") from None
    if not words:
        raise ConfigurationError("the reload command is empty; write one")
    return words


def run_command(words: list[str]) -> None:
    """Run a command that tells the server to reload."""
    command = shlex.join(words)
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ArchiveFailed(
            f"{command} has not ended within {_COMMAND_SECONDS:.0f} s; run it by hand"
        ) from None
    except OSError as error:
        raise ArchiveFailed(
            f"{command} cannot be started: {error.strerror}; correct --reload"
        ) from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise ArchiveFailed(": ".join([f"{command} failed with {done.returncode}", *said]))


@dataclass(frozen=True, slots=True)
class Reopening:
    """How the server comes to write new files."""

    reload: Reload
    deadline: float = DEADLINE
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def reopen(self, logs: Mapping[LiveLog, RotatedLog]) -> dict[LiveLog, str]:
        """Tell the server to reload, and wait until it writes new files.

        It returns the logs that the server did not open, with the reason. Each of these has its old
        name again, unless another file has that.
        """
        try:
            self.reload()
            reason = f"the server has not opened it within {self.deadline:.0f} s of its reload"
        except (ArchiveFailed, OSError) as error:
            reason = str(error)
        else:
            end = self.clock() + self.deadline
            while not all(map(is_reopened, logs, logs.values())) and self.clock() < end:
                self.sleep(_POLL_SECONDS)
        failed = [log for log, rotated in logs.items() if not is_reopened(log, rotated)]
        return {log: _give_back(log, logs[log], reason) for log in failed}


def is_reopened(log: LiveLog, rotated: RotatedLog) -> bool:
    """Return whether the server writes another file than *rotated*, which *log* was renamed to."""
    return log.path.exists() and rotated.writers() is not Writers.SOME


def _give_back(log: LiveLog, rotated: RotatedLog, reason: str) -> str:
    is_back = log.give_back(rotated)
    state = "it has its name again" if is_back else f"a process still writes to {rotated.path}"
    kept = f"{state}, and no line is lost"
    return f"{log.path}: {reason}; {kept}; correct the reload, and run this again"
