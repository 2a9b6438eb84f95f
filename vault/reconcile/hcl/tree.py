"""Tree of a policy's text: entries and their values, each with its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vault.declare.errors import DeclarationError

Scalar = str | int | float | bool
MAX_DEPTH: Final = 32  # levels of nesting; a policy has three


class HclError(DeclarationError):
    """A policy that cannot be parsed; the message has one ``file:line: …`` for each fault."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the line it begins on: a scalar, a list or a block.

    *text* is a number as it is written, because the server reads that where it expects text.
    """

    line: int
    value: Scalar | tuple[Node, ...] | Block
    text: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a block: ``capabilities = [...]`` has one key, ``path "x" {...}`` has two."""

    line: int
    keys: tuple[str, ...]
    node: Node


@dataclass(frozen=True, slots=True)
class Block:
    """Entries between braces, or those of a whole file."""

    entries: tuple[Entry, ...]
