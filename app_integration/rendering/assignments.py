"""Readers of files of assignments: dotenv, and scripts that a shell sources."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Mapping
from typing import Final

from dotenv.parser import parse_stream

_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=", re.ASCII)


class ParseError(Exception):
    """Error of a text that is not of the format. *line* counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def read_dotenv(text: str) -> Mapping[str, str | None]:
    """Return the variables, as python-dotenv parses them with ``interpolate=False``."""
    found: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise ParseError(binding.original.line, "expected NAME=value")
        if binding.key is not None:
            found[binding.key] = binding.value
    return found


def read_shell(text: str) -> Mapping[str, str]:
    """Return the variables that a shell sets when it sources *text*."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    found: dict[str, str] = {}
    try:
        for word in lexer:
            if word == "export":
                continue
            if not _ASSIGNMENT.match(word):
                raise ParseError(lexer.lineno, "expected NAME=value or export NAME=value")
            name, _, value = word.partition("=")
            found[name] = value
    except ValueError as error:
        raise ParseError(lexer.lineno, str(error)) from None
    return found
