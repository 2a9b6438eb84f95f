"""Values of unit files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent.file_templates import printable

#: Characters of a word that systemd takes as it is. A longer list would have to be quoted.
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@,+")


def quote_command(words: Sequence[str]) -> str:
    """Return *words* for ``ExecStart=``, which expands ``$`` and ``%`` otherwise."""
    return " ".join(quote(word).replace("$", "$$") for word in words)


def quote(value: object) -> str:
    """Return *value* as one word of a unit file."""
    text = escape(value)
    if text and _PLAIN.issuperset(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def escape(value: object) -> str:
    """Return *value* for a key that takes the rest of the line, without quotes."""
    return printable(value).replace("%", "%%")
