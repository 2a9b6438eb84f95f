"""Line that is typed on a terminal, which does not show it."""

from __future__ import annotations

import os
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app_integration.errors import ConfigurationError

#: What a terminal of Linux passes on of a line at most. It drops the rest.
_MAX_LINE: Final = 4095  # bytes
#: Tenths of a second in which what was pasted together arrives.
_PASTE: Final = 1
_LOCAL_MODES, _CHARACTERS = 3, 6  # indexes in the attributes of a terminal


def read_hidden_line(question: str) -> bytes:
    """Return the line that is typed after *question*, and discard what is typed after it.

    It raises EOFError if there is none. The function of the standard library silently drops other
    lines that were pasted, and the end of a long one.
    """
    with _hiding_terminal() as terminal:
        os.write(terminal, f"{question}: ".encode())
        line = os.read(terminal, 2 * _MAX_LINE)
        is_whole = not _read_rest(terminal).strip() and len(line) <= _MAX_LINE
    if not line:
        raise EOFError
    if not is_whole:
        raise ConfigurationError(
            f"{question}: a terminal takes one line of at most {_MAX_LINE - 1} bytes, and more was "
            "typed or pasted; put it into a file, and add '< FILE' to the command"
        )
    return line.removesuffix(b"\n")


@contextmanager
def _hiding_terminal() -> Iterator[int]:
    """Yield the process's terminal, which shows nothing that is typed during the block."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        raise ConfigurationError(
            f"there is no terminal to ask on: /dev/tty: {error.strerror}; pass the value on "
            "standard input"
        ) from None
    try:
        before = termios.tcgetattr(terminal)
        _set_modes(terminal, termios.ECHO, termios.TCSAFLUSH)
        try:
            yield terminal
        finally:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
            os.write(terminal, b"\n")
    finally:
        os.close(terminal)


def _set_modes(terminal: int, without: int, when: int) -> None:
    """Remove modes of the terminal, and let a read without lines end when nothing is typed."""
    modes = termios.tcgetattr(terminal)
    modes[_LOCAL_MODES] &= ~without
    modes[_CHARACTERS][termios.VMIN], modes[_CHARACTERS][termios.VTIME] = 0, _PASTE
    termios.tcsetattr(terminal, when, modes)


def _read_rest(terminal: int) -> bytes:
    """Return what else is typed, as fast as only a paste is."""
    _set_modes(terminal, termios.ICANON, termios.TCSANOW)  # so that a line needs no end
    return b"".join(iter(lambda: os.read(terminal, _MAX_LINE), b""))
