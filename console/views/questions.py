"""Questions of commands: asked on a terminal, and named as options where there is none."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import typer

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


@dataclass(frozen=True, slots=True)
class Question:
    """Question for the value of an option."""

    text: str
    value: str | None = None
    default: str | None = None


def has_terminal() -> bool:
    """Return whether a person at a terminal can answer a question."""
    return sys.stdin.isatty()


def answer(questions: Mapping[str, Question]) -> dict[str, str]:
    """Return the value of each option, after asking for those that were not passed."""
    missing = [option for option, each in questions.items() if each.value is None]
    if missing and not has_terminal():
        options = " and ".join(missing)
        raise ConfigurationError(
            f"there is no terminal to ask on, and nothing was changed; pass {options}"
        )
    return {
        option: typer.prompt(each.text, default=each.default) if each.value is None else each.value
        for option, each in questions.items()
    }


def read_hidden(text: str) -> str:
    """Return standard input, or a line that is typed on a terminal, which does not show it."""
    try:
        if has_terminal():
            return read_hidden_line(text).decode()
        # Because the locale may name another encoding, or make surrogates of other bytes.
        return typer.get_text_stream("stdin", encoding="utf-8", errors="strict").read()
    except KeyboardInterrupt:
        raise typer.Abort from None
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{text}: the input is not UTF-8; pass binary data as text, such as base64"
        ) from None
