"""What is wrong with a template, and where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from app_integration.errors import ConfigurationError


class TemplateRejected(ConfigurationError):
    """A template that can't be compiled: ``file:line: what; what to do instead``.

    Attributes:
        line: counted from 1; 0 when the fault is the file as a whole.

    """

    def __init__(self, origin: str, line: int, message: str) -> None:
        super().__init__(f"{origin}:{line}: {message}" if line else f"{origin}: {message}")
        self.line = line


class Refused(Exception):
    """Why a helper refuses its arguments; whoever knows the line makes it a TemplateRejected."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown *name*: the known one it resembles, else all of them."""
    names = sorted(known)
    if close := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none is declared"
