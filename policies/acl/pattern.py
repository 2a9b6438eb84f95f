"""Pattern of the paths that a rule is about: one path, a prefix, or segments with ``+``."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypeAlias

#: Of two patterns that match a path, the one with the greater rank decides.
Rank: TypeAlias = tuple[int, bool, int, int, bytes]


class Kind(enum.Enum):
    """How a pattern is compared with a path."""

    EXACT = "exact"
    PREFIX = "prefix"
    SEGMENTS = "segments"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern as the server keeps it.

    Args:
        kind: A pattern is of *SEGMENTS* if a segment begins with ``+``, even if only another one
            is ``+`` and stands for any segment.
        literal: The text without a final ``*``.
        is_open: Whether there was a final ``*``, which stands for any text, also with ``/``.
        rank: Its place among the patterns that match a path. An exact one is not compared.

    """

    kind: Kind
    literal: str
    is_open: bool
    rank: Rank = field(repr=False)

    @property
    def text(self) -> str:
        """Return the pattern as a policy has it."""
        return f"{self.literal}*" if self.is_open else self.literal

    def matches(self, path: str) -> bool:
        """Return whether *path* itself matches, without what LIST and SCAN try in its place."""
        if self.kind is Kind.EXACT:
            return path == self.literal
        if self.kind is Kind.PREFIX:
            return path.startswith(self.literal)
        parts, given = self.literal.split("/"), path.split("/")
        if len(given) < len(parts) or (len(given) > len(parts) and not self.is_open):
            return False
        last = len(parts) - 1
        return all(
            part in {"+", given[index]}
            or (self.is_open and index == last and given[index].startswith(part))
            for index, part in enumerate(parts)
        )


def parse_pattern(path: str) -> Pattern:
    """Return the pattern that the server makes of the *path* of a rule, with its namespace."""
    is_open = path.endswith("*")
    literal = path[:-1] if is_open else path
    encoded = literal.encode(errors="surrogatepass")  # the server counts and compares bytes
    if path == "+" or "/+" in path or path.startswith("+/"):
        wildcards = literal.split("/").count("+")
        rank = (encoded.find(b"+"), not is_open, -wildcards, len(encoded), encoded)
        return Pattern(Kind.SEGMENTS, literal, is_open, rank)
    rank = (len(encoded), not is_open, 0, len(encoded), encoded)
    return Pattern(Kind.PREFIX if is_open else Kind.EXACT, literal, is_open, rank)
