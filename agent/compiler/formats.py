"""Formats of delivered files: how each writes and parses a value.

A value is written in two places: by the agent, through a chain of its template functions, and here,
for settings and placeholders. Both write one complete scalar that preserves the text exactly. The
chains were tested against a real agent with every code point of the basic plane.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from app_integration.rendering.assignments import ParseError, read_dotenv, read_shell
from app_integration.rendering.formats import write_dotenv, write_shell

Scalar = str | int | float | bool

_TOML_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")


@dataclass(frozen=True, slots=True)
class Format:
    """File format.

    *chain* has the agent's template functions that turn a string into one complete scalar, as
    *quote* does here. *typed* is False if numbers and booleans are text, too.
    """

    name: str
    chain: str
    quote: Callable[[str], str]
    read: Callable[[str], object]
    typed: bool = True

    def literal(self, value: Scalar) -> str:
        """Return *value* as one complete scalar of this format."""
        if isinstance(value, str):
            return self.quote(value)
        text = json.dumps(value)
        return text if self.typed else self.quote(text)


def _escaped(text: str) -> str:
    """Return *text* as a double-quoted string of YAML and TOML.

    A character that is not printable is escaped by its number.
    """
    return '"' + "".join(map(_escaped_character, text)) + '"'


def _escaped_character(character: str) -> str:
    if character.isprintable() and character not in '"\\<':
        return character
    return f"\\U{ord(character):08X}"


def _json_quote(text: str) -> str:
    return json.dumps(text).replace("<", "\\u003c")


def _read_yaml(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ParseError(line, error.problem or "") from None
    except yaml.YAMLError as error:
        raise ParseError(1, str(error)) from None
    except (ValueError, LookupError, AttributeError):
        raise ParseError(1, "a date does not exist, or a tag does not fit its value") from None


def _read_json(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ParseError(error.lineno, error.msg) from None


def _read_toml(text: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        position = _TOML_POSITION.search(str(error))
        line = int(position[1]) if position and position[1] else text.count("\n") + 1
        raise ParseError(line, _TOML_POSITION.sub("", str(error))) from None


#: ``%+q`` escapes every character other than printable ASCII, in a way that YAML parses. "<" is
#: escaped so that no value reads as ``<no value>``, which the agent writes for a missing key.
YAML: Final = Format("YAML", r'printf "%+q" | replaceAll "<" "\\x3c"', _escaped, _read_yaml)
JSON: Final = Format("JSON", "toJSON", _json_quote, _read_json)
TOML: Final = Format("TOML", r'toJSON | replaceAll "\x7f" "\\u007f"', _escaped, _read_toml)
#: The backslash is escaped first, otherwise the backslashes of the other escapes would be doubled.
DOTENV: Final = Format(
    "dotenv",
    r'replaceAll "\\" "\\\\" | replaceAll "\"" "\\\"" | replaceAll "\n" "\\n"'
    r' | replaceAll "\r" "\\r" | printf "\"%s\""',
    write_dotenv,
    read_dotenv,
    typed=False,
)
SHELL: Final = Format(
    "sh", r"""replaceAll "'" "'\\''" | printf "'%s'" """.strip(), write_shell, read_shell,
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
