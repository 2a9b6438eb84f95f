"""Reading a ``.env`` file exactly as python-dotenv gives it to an application.

The parser is python-dotenv's own, and ``${NAME}`` is expanded as it does by default, with two
differences. What it would skip with a warning is refused. And it looks a name up in the process
environment too, which nobody knows any more: a reference to anything but a variable set above it
in the same file is refused.
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

from app_integration import names
from app_integration.errors import ConfigurationError, InvalidName
from app_integration.secret import Secret
from vault.declare.faults import FileError

_NOT_PARSED: Final = "is no NAME=value, or has an open quote, or text after a closing one"
_LINE_BREAK: Final = re.compile(rb"\r\n|\r|\n")


class DotenvRejected(ConfigurationError):
    """A ``.env`` file that can't be used; the message has one line for each fault, no values."""

    def __init__(self, faults: Iterable[FileError]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class Statement:
    """A variable, a comment or blank lines, with the line break that ends it.

    Attributes:
        text: as it stands, with LF as its line breaks.
        line: of its first character that isn't blank, counted from 1.
        name: None for a comment and for blank lines.

    """

    text: str = field(repr=False)
    line: int
    name: str | None


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable as the application sees it.

    Attributes:
        lines: where it is set; the last one counts.
        uses: the variables whose values went into this one, at any remove.

    """

    name: str
    value: Secret
    lines: tuple[int, ...]
    uses: frozenset[str]

    @property
    def line(self) -> int:
        """Where it got its value."""
        return self.lines[-1]


@dataclass(frozen=True, slots=True)
class DotenvFile:
    """A file that python-dotenv reads without a warning.

    Attributes:
        content: its bytes.
        statements: all of them, in order.
        variables: by name, in the order in which they are first set.

    """

    path: Path
    content: bytes = field(repr=False)
    statements: tuple[Statement, ...]
    variables: Mapping[str, Variable]

    def fault(self, variable: str, text: str) -> FileError:
        """*text* about *variable*, at its line."""
        return FileError(str(self.path), self.variables[variable].line, text)


def read(path: Path) -> DotenvFile:
    """The file at *path*.

    Raises:
        ConfigurationError: it isn't a file, or can't be read.
        DotenvRejected: as :func:`parse`.

    """
    if path.is_symlink():
        raise ConfigurationError(f"{path} is a link; give the file it leads to: {path.resolve()}")
    try:
        if not path.is_file():
            raise ConfigurationError(f"{path} is not there, or is no file; give the .env file")
        return parse(path, path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}") from None


def parse(path: Path, content: bytes) -> DotenvFile:
    """*content*, which stands in the file at *path*.

    Raises:
        DotenvRejected: with every fault, each with its line; after a statement that can't be
            parsed the rest isn't judged.

    """
    bindings = list(parse_stream(io.StringIO(_text(path, content), newline=None)))
    statements = tuple(map(_statement, bindings))
    reader, faults = _Reader(), []
    for binding, statement in zip(bindings, statements, strict=True):
        if binding.error:
            faults.append(FileError(str(path), statement.line, _NOT_PARSED))
            break
        if binding.key is not None:
            problems = reader.take(binding.key, binding.value, statement.line)
            faults += [FileError(str(path), statement.line, problem) for problem in problems]
    if faults:
        raise DotenvRejected(faults)
    return DotenvFile(path, content, statements, reader.variables)


def _text(path: Path, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        what = "is not UTF-8 here; save the file as UTF-8"
        raise DotenvRejected([FileError(str(path), _line(content, error.start), what)]) from None
    position = content.find(b"\0")
    if position >= 0:
        what = "holds a NUL character, which no variable can hold"
        raise DotenvRejected([FileError(str(path), _line(content, position), what)])
    return text


def _line(content: bytes, position: int) -> int:
    return len(_LINE_BREAK.findall(content, 0, position)) + 1


def _statement(binding: Binding) -> Statement:
    """The parser counts from the blank lines before a statement; a person, from its text."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())] if text.strip() else ""
    return Statement(text, binding.original.line + blank.count("\n"), binding.key)


class _Reader:
    """Takes variables in the order of the file and keeps what they mean.

    A problem's text shows neither a value nor a name that may be a part of one: the second line
    of a key written without quotes looks like a variable.
    """

    def __init__(self) -> None:
        self.variables: dict[str, Variable] = {}

    def take(self, name: str, raw: str | None, line: int) -> Iterator[str]:
        """Keep ``name=raw``, which stands at *line*, or give the reasons why not."""
        problem = self._name_problem(name)
        if problem:
            yield problem
        elif raw is None:
            yield "is a name without '='; write NAME= for an empty value, or remove it"
        else:
            yield from self._take_value(name, raw, line)

    def _name_problem(self, name: str) -> str | None:
        try:
            secret = names.secret_name(name)
        except InvalidName:
            return "the name of the variable must be upper-case letters, digits and '_'"
        variable = names.variable_name(secret)
        if variable == name:
            return None
        if variable in self.variables:
            line = self.variables[variable].line
            return f"the variable becomes the secret {secret!r}, as {variable} on line {line} does"
        return (
            "the variable would come back under another name, in upper case and without '_' at "
            "its ends; rename it here and where the application reads it"
        )

    def _take_value(self, name: str, raw: str, line: int) -> Iterator[str]:
        # An empty name is in no environment, so its default always stands: export writes that.
        used = {atom.name for atom in parse_variables(raw) if isinstance(atom, Reference)} - {""}
        if not used <= self.variables.keys():
            yield (
                f"{name} takes a ${{…}} that is not set above it in this file, so its value came "
                "from the process environment; write the value out"
            )
            return
        known = {each: self.variables[each].value.reveal() for each in used}
        value = Secret("".join(atom.resolve(known) for atom in parse_variables(raw)))
        try:
            names.check_secret_value(name, value)
        except InvalidName as refused:
            yield str(refused)
            return
        before = self.variables[name].lines if name in self.variables else ()
        uses = used.union(*(self.variables[each].uses for each in used))
        self.variables[name] = Variable(name, value, (*before, line), frozenset(uses))
