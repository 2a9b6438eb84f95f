"""Formats of rendered files: how each writes a value, byte for byte as the agent does.

The agent does so by :mod:`agent.compiler.formats`. The same bytes let a team change between both
without a reload of any application.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from app_integration.config import file_reader
from app_integration.errors import ConfigRejected
from app_integration.rendering.assignments import ParseError, read_dotenv, read_shell

_ASCII_END: Final = 0x7F
_PLANE_END: Final = 0x10000
_GO_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "<": "\\x3c",  # so that no value reads as "<no value>"
}
_JSON_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
#: Other characters that Go's JSON escapes by their number.
_JSON_NUMBERED: Final = frozenset("<>&\u2028\u2029")


@dataclass(frozen=True, slots=True)
class Format:
    """File format: *write* returns a text as one complete scalar, *parse* a text's document."""

    write: Callable[[str], str]
    parse: Callable[[str], object]
    allows_nul: bool = True


def format_of(file: str) -> Format:
    """Return the format of a rendered file by its name."""
    found = _BY_SUFFIX.get(PurePath(file).suffix)
    if found is None:
        known = ", ".join(_BY_SUFFIX)
        raise ConfigRejected(f"{file} has no known format (expected a name that ends in {known})")
    return found


def _write_yaml(text: str) -> str:
    """Return *text* as ``%+q`` of Go writes it, which YAML reads as a double-quoted scalar."""
    return f'"{"".join(map(_go_character, text))}"'


def _go_character(character: str) -> str:
    if (escaped := _GO_ESCAPES.get(character)) is not None:
        return escaped
    number = ord(character)
    if " " <= character < chr(_ASCII_END):
        return character
    if number <= _ASCII_END:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < _PLANE_END else f"\\U{number:08x}"


def _write_json(text: str) -> str:
    """Return *text* as the JSON encoder of Go writes it."""
    return f'"{"".join(map(_json_character, text))}"'


def _json_character(character: str) -> str:
    if (escaped := _JSON_ESCAPES.get(character)) is not None:
        return escaped
    if character < " " or character in _JSON_NUMBERED:
        return f"\\u{ord(character):04x}"
    return character


def _write_toml(text: str) -> str:
    return _write_json(text).replace(chr(_ASCII_END), "\\u007f")


def write_dotenv(text: str) -> str:
    """Return *text* as a double-quoted value of dotenv."""
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(character, escaped)
    return f'"{text}"'


def write_shell(text: str) -> str:
    """Return *text* as a single-quoted word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _parse_as(suffix: str) -> Callable[[str], object]:
    return lambda text: file_reader.parse(Path(f"config{suffix}"), text.encode())


_YAML: Final = Format(_write_yaml, _parse_as(".yaml"))
_BY_SUFFIX: Final[Mapping[str, Format]] = {
    ".yaml": _YAML,
    ".yml": _YAML,
    ".json": Format(_write_json, _parse_as(".json")),
    ".toml": Format(_write_toml, _parse_as(".toml")),
    ".env": Format(write_dotenv, read_dotenv, allows_nul=False),
    ".sh": Format(write_shell, read_shell, allows_nul=False),
}

#: What :attr:`Format.parse` raises.
UNREADABLE: Final = (ConfigRejected, ParseError)
