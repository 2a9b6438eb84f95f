"""Questions of commands: asked on a terminal, and named as options where there is none."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import typer

from app_integration.errors import ConfigurationError
from console.views.hidden_line import read_hidden_line


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
            f"{options} must be passed, because there is no terminal to ask on; nothing was changed"
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
