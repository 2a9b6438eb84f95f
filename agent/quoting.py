"""Values and names as the files of systemd, compose and Kubernetes take them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import yaml

from agent.file_templates import printable
from app_integration.errors import ConfigurationError

#: Characters of a word that systemd takes as it is. A longer list would have to be quoted.
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@,+")
_DIGITS: Final = 8  # of a digest


def quote_command(words: Sequence[str]) -> str:
    """Return *words* for ``ExecStart=``, which expands ``$`` and ``%`` otherwise."""
    return " ".join(quote_word(word).replace("$", "$$") for word in words)


def quote_word(value: object) -> str:
    """Return *value* as one word of a unit file."""
    text = escape_line(value)
    if text and _PLAIN.issuperset(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def escape_line(value: object) -> str:
    """Return *value* for a key that takes the rest of the line, without quotes."""
    return printable(value).replace("%", "%%")


@dataclass(frozen=True, slots=True)
class Variable:
    """Variable of compose without which it starts nothing."""

    name: str
    meaning: str


def required_variable(service: str, name: str, meaning: str) -> Variable:
    """Return the variable *name* of a service, which has to be set to *meaning*."""
    return Variable(f"{service}_AGENT_{name}".upper().replace("-", "_"), f"set it to {meaning}")


def quote_compose(value: object) -> str:
    """Return *value* as YAML: a variable as a reference to it, and anything else as a string.

    A ``$`` is doubled, because compose would expand it.
    """
    if isinstance(value, Variable):
        return f'"${{{value.name}:?{value.meaning}}}"'
    return json.dumps(printable(value), ensure_ascii=False).replace("$", "$$")


def quote_manifest(value: object) -> str:
    """Return *value* as a YAML scalar on one line."""
    if isinstance(value, int):
        return str(value)
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{text!r} is not Unicode; rename it") from None
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf).rstrip("\n")


def escape_word(word: str) -> str:
    """Return *word* for ``command`` and ``args``, where Kubernetes expands ``$(NAME)``."""
    return word.replace("$", "$$")


def shorten(name: str, limit: int) -> str:
    """Return *name* with *limit* characters at most. A longer one ends with a digest of it."""
    if len(name) <= limit:
        return name
    digest = sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: limit - _DIGITS - 1]}-{digest}"
