"""Errors of templates, with the line of the fault."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from app_integration.errors import ConfigurationError


class TemplateRejected(ConfigurationError):
    """Error of a template that cannot be compiled: ``file:line: fault; what to do instead``.

    *line* counts from 1; 0 if the fault is not in one line.
    """

    def __init__(self, origin: str, line: int, message: str) -> None:
        super().__init__(f"{origin}:{line}: {message}" if line else f"{origin}: {message}")
        self.line = line


class HelperError(Exception):
    """Invalid call of a template's helper; the parser adds the line and raises TemplateRejected."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown *name*: the most similar known name, or all known names."""
    names = sorted(known)
    if close := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {close[0]!r}?"
    return f"use one of: {', '.join(names)}" if names else "declare it first"
