"""Program in the foreground of a terminal, with which a test talks as a person does."""

from __future__ import annotations

import os
import select
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.support.polling import wait_until

INTERRUPT: Final = "\x03"  # Ctrl-C
END_OF_INPUT: Final = "\x04"  # Ctrl-D
_PATIENCE: Final = 60.0  # seconds


@dataclass(slots=True)
class Terminal:
    process: subprocess.Popen[bytes]
    _file: int
    _unread: bytes = b""

    def type(self, text: str) -> None:
        r"""Type *text*, whose ``\n`` is the return key, when the program waits."""
        # Because readline misses a signal that arrives after its prompt and before it waits.
        wait_until(self._waits, "the program waits")
        os.write(self._file, os.fsencode(text))

    def read_until(self, expected: str) -> str:
        """Return what is shown from the last call until *expected*."""
        end = expected.replace("\n", "\r\n").encode()
        while end not in self._unread:
            more = self._read()
            assert more, f"{expected!r} is not in {self._unread!r}"
            self._unread += more
        shown, end, self._unread = self._unread.partition(end)
        return _decode(shown + end)

    def finish(self) -> str:
        """Return what is shown from the last call until the program ends."""
        while more := self._read():
            self._unread += more
        self.process.wait(_PATIENCE)
        return _decode(self._unread)

    def shows_typing(self) -> bool:
        return bool(termios.tcgetattr(self._file)[3] & termios.ECHO)

    def _waits(self) -> bool:
        return psutil.Process(self.process.pid).status() == psutil.STATUS_SLEEPING

    def _read(self) -> bytes:
        """Return what is shown next, which may end within a character; empty at the end."""
        assert select.select([self._file], [], [], _PATIENCE)[0], self._unread
        try:
            return os.read(self._file, 65_536)
        except OSError:  # so Linux says that nobody has the terminal open
            return b""


def _decode(shown: bytes) -> str:
    return shown.decode().replace("\r\n", "\n")


@contextmanager
def open_terminal(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None
) -> Iterator[Terminal]:
    """Run *command* in the foreground of a new terminal, and kill it at the end."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        pass_fds=[theirs],
        preexec_fn=lambda: os.login_tty(theirs),  # noqa: PLW1509 (of this process alone)
    )
    os.close(theirs)
    with process:
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)
