"""The formats of delivered files: how each writes a value, and how each is read back.

A value is written twice: by the agent, through a chain of its template functions, and here, for
plain settings and placeholders. Both write one complete scalar whose text survives exactly. The
chains were tried with every code point of the basic plane against a real agent.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import yaml
from dotenv.parser import parse_stream

Scalar = str | int | float | bool

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=", re.ASCII)
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")


class Unparsable(Exception):
    """Text that isn't of the format; *line* counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes:
        name: as people say it.
        chain: the agent's pipeline from a string to one complete scalar.
        quote: the same for a string known now.
        read: the document in a text; raises Unparsable.
        typed: whether numbers and booleans differ from text.

    """

    name: str
    chain: str
    quote: Callable[[str], str]
    read: Callable[[str], object]
    typed: bool = True

    def literal(self, value: Scalar) -> str:
        """*value* as one complete scalar of this format."""
        if isinstance(value, str):
            return self.quote(value)
        text = json.dumps(value)
        return text if self.typed else self.quote(text)


def _escaped(text: str) -> str:
    """A double-quoted string of YAML and of TOML: what isn't printable is escaped by number."""
    return '"' + "".join(map(_escaped_character, text)) + '"'


def _escaped_character(character: str) -> str:
    if character.isprintable() and character not in '"\\<':
        return character
    return f"\\U{ord(character):08X}"


def _json_quote(text: str) -> str:
    return json.dumps(text).replace("<", "\\u003c")


def _dotenv_quote(text: str) -> str:
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(character, escaped)
    return f'"{text}"'


def _shell_quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _read_yaml(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise Unparsable(line, error.problem or "") from None
    except yaml.YAMLError as error:
        raise Unparsable(1, str(error)) from None


def _read_json(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Unparsable(error.lineno, error.msg) from None


def _read_toml(text: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        raise Unparsable(line, _TOML_PLACE.sub("", str(error))) from None


def _read_dotenv(text: str) -> Mapping[str, str | None]:
    """Variables as python-dotenv reads them with ``interpolate=False``."""
    found: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise Unparsable(binding.original.line, "expected NAME=value")
        if binding.key is not None:
            found[binding.key] = binding.value
    return found


def _read_shell(text: str) -> Mapping[str, str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    found: dict[str, str] = {}
    try:
        for word in lexer:
            if word == "export":
                continue
            if not _ASSIGNMENT.match(word):
                raise Unparsable(lexer.lineno, "expected NAME=value or export NAME=value")
            name, _, value = word.partition("=")
            found[name] = value
    except ValueError as error:
        raise Unparsable(lexer.lineno, str(error)) from None
    return found


#: ``%+q`` escapes all that isn't printable ASCII, in ways that YAML reads. A "<" is escaped so
#: that no value can read as ``<no value>``, which stands for a hole.
YAML: Final = Format("YAML", r'printf "%+q" | replaceAll "<" "\\x3c"', _escaped, _read_yaml)
JSON: Final = Format("JSON", "toJSON", _json_quote, _read_json)
TOML: Final = Format("TOML", r'toJSON | replaceAll "\x7f" "\\u007f"', _escaped, _read_toml)
#: The order counts: a backslash first, or those of the other escapes would be doubled.
DOTENV: Final = Format(
    "dotenv",
    r'replaceAll "\\" "\\\\" | replaceAll "\"" "\\\"" | replaceAll "\n" "\\n"'
    r' | replaceAll "\r" "\\r" | printf "\"%s\""',
    _dotenv_quote,
    _read_dotenv,
    typed=False,
)
SHELL: Final = Format(
    "sh", r"""replaceAll "'" "'\\''" | printf "'%s'" """.strip(), _shell_quote, _read_shell,
    typed=False,
)  # fmt: skip

#: File suffix → format.
BY_SUFFIX: Final[Mapping[str, Format]] = {
    ".yaml": YAML,
    ".yml": YAML,
    ".json": JSON,
    ".toml": TOML,
    ".env": DOTENV,
    ".sh": SHELL,
}
