"""Parser of ``.env`` files, with the values that python-dotenv passes to an application.

It uses python-dotenv's own parser and expansion of ``${NAME}``, but rejects lines that
python-dotenv would skip with a warning. It also rejects a reference to anything but a variable set
above it in the same file, because the application's environment is unknown at the time of the
import.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable as Reference
from dotenv.variables import parse_variables

from app_integration._internal.input_file import read_input
from app_integration._internal.secret_value import check_secret_value
from app_integration.errors import ConfigurationError, InvalidName
from app_integration.secret import Secret
from vault.declare.errors import FileError

_NOT_PARSED: Final = (
    "is not NAME=value, or has an open quote or text after a closing quote; correct the line"
)
_UPPER_CASE: Final = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)
_LINE_BREAK: Final = re.compile(rb"\r\n|\r|\n")


class InvalidDotenv(ConfigurationError):
    """An invalid ``.env`` file. The message has one line for each fault, and no values."""

    def __init__(self, faults: Iterable[FileError]) -> None:
        self.errors = tuple(sorted(faults))
        super().__init__("\n".join(map(str, self.errors)))


@dataclass(frozen=True, slots=True)
class Statement:
    """A variable, a comment or blank lines, including the final line break.

    *text* has LF for each line break. *line* is that of the first character that is not blank, from
    1.
    """

    text: str = field(repr=False)
    line: int
    name: str | None


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable as the application sees it."""

    name: str
    value: Secret
    lines: tuple[int, ...]
    uses: frozenset[str]

    @property
    def line(self) -> int:
        """Return the line that sets the effective value."""
        return self.lines[-1]


@dataclass(frozen=True, slots=True)
class DotenvFile:
    """A file that python-dotenv reads without a warning."""

    path: Path
    content: bytes = field(repr=False)
    statements: tuple[Statement, ...]
    variables: Mapping[str, Variable]

    def fault(self, variable: str, text: str) -> FileError:
        """Return an error with the message *text* at the line of *variable*."""
        return FileError(str(self.path), self.variables[variable].line, text)


def read(path: Path) -> DotenvFile:
    """Read and parse the file at *path*."""
    if path.is_symlink():
        raise ConfigurationError(f"{path} is a link; pass its target instead: {path.resolve()}")
    try:
        if not path.is_file():
            raise ConfigurationError(
                f"{path} does not exist or is not a file; pass the path of an .env file"
            )
        return parse(path, read_input(path))
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}; pass a readable file"
        ) from None


def parse(path: Path, content: bytes) -> DotenvFile:
    """Parse *content*, the bytes of the file at *path*."""
    bindings = list(parse_stream(io.StringIO(_decode(path, content), newline=None)))
    statements = tuple(map(_statement, bindings))
    reader, faults = _Reader(), []
    for binding, statement in zip(bindings, statements, strict=True):
        if binding.error:
            faults.append(FileError(str(path), statement.line, _NOT_PARSED))
            break
        if binding.key is not None:
            problems = reader.add(binding.key, binding.value, statement.line)
            faults += [FileError(str(path), statement.line, problem) for problem in problems]
    if faults:
        raise InvalidDotenv(faults)
    return DotenvFile(path, content, statements, reader.variables)


def _decode(path: Path, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        what = "is not valid UTF-8; save the file as UTF-8"
        line = _line_number(content, error.start)
        raise InvalidDotenv([FileError(str(path), line, what)]) from None
    position = content.find(b"\0")
    if position >= 0:
        what = "has a NUL character, which a variable cannot contain; remove it"
        raise InvalidDotenv([FileError(str(path), _line_number(content, position), what)])
    return text


def _line_number(content: bytes, position: int) -> int:
    return len(_LINE_BREAK.findall(content, 0, position)) + 1


def _statement(binding: Binding) -> Statement:
    """Return a statement with the line of its text, not of the blank lines before it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())] if text.strip() else ""
    return Statement(text, binding.original.line + blank.count("\n"), binding.key)


def _safe_name(name: str) -> str:
    return name if _UPPER_CASE.fullmatch(name) else "the variable"


class _Reader:
    """Collector of variables in the order of the file, which expands references.

    Error texts contain no values, and only names in upper case, because another name may be part of
    a value: the second line of a key that is not in quotes looks like a variable.
    """

    def __init__(self) -> None:
        self.variables: dict[str, Variable] = {}

    def add(self, name: str, raw: str | None, line: int) -> Iterator[str]:
        """Add the variable of the statement ``name=raw``, or return the faults that prevent it."""
        if raw is None:
            yield "is a name without '='; write NAME= for an empty value, or remove it"
        else:
            yield from self._add_value(name, raw, line)

    def _add_value(self, name: str, raw: str, line: int) -> Iterator[str]:
        # Allow the empty name, because no environment has it and its default always applies. The
        # export writes such references to escape a literal ``${``.
        used = {atom.name for atom in parse_variables(raw) if isinstance(atom, Reference)} - {""}
        if not used <= self.variables.keys():
            yield (
                f"{_safe_name(name)} uses a ${{…}} that is not set above it in this file, so its "
                "value came from the process environment; write the value out"
            )
            return
        known = {each: self.variables[each].value.reveal() for each in used}
        value = Secret("".join(atom.resolve(known) for atom in parse_variables(raw)))
        try:
            check_secret_value(_safe_name(name), value)
        except InvalidName as error:
            yield str(error)
            return
        before = self.variables[name].lines if name in self.variables else ()
        uses = used.union(*(self.variables[each].uses for each in used))
        self.variables[name] = Variable(name, value, (*before, line), frozenset(uses))
