"""Check of compiled templates: each must parse, with each value as one complete scalar.

The document is parsed once with a marker in place of each value. A marker that is not found again
as a whole value has quotes, text or a comment around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from agent.compiler.errors import TemplateRejected
from agent.compiler.formats import Format
from agent.compiler.parser import Piece, Slot, Text
from app_integration.rendering.assignments import ParseError

_QUOTES = ("'", '"', "`")


def check(pieces: Sequence[Piece], file_format: Format, origin: str) -> None:
    """Check that *pieces* form a document of *file_format*."""
    _check_quotes(pieces, origin)
    texts = [_with_marker(index, piece, file_format) for index, piece in enumerate(pieces)]
    try:
        document = file_format.read("".join(texts))
    except ParseError as fault:
        line = _source_line(pieces, texts, fault.line)
        message = f"invalid {file_format.name}: {fault}; correct the template"
        raise TemplateRejected(origin, line, message) from None
    parsed = _DocumentText()
    parsed.collect(document)
    for index, piece in enumerate(pieces):
        if isinstance(piece, Slot) and (reason := parsed.failure_reason(_marker(index))):
            raise TemplateRejected(origin, piece.line, reason)


def _check_quotes(pieces: Sequence[Piece], origin: str) -> None:
    for before, slot in pairwise(pieces):
        if isinstance(before, Text) and isinstance(slot, Slot) and before.text.endswith(_QUOTES):
            message = "{{ }} writes its own quotes; remove those around it"
            raise TemplateRejected(origin, slot.line, message)


def _marker(index: int) -> str:
    return f"marker-{index:06d}-of-a-value"


def _with_marker(index: int, piece: Piece, file_format: Format) -> str:
    return piece.text if isinstance(piece, Text) else file_format.quote(_marker(index))


def _source_line(pieces: Sequence[Piece], texts: Sequence[str], line: int) -> int:
    """Return the line of the template for *line* of the document, which *texts* form."""
    remaining = line - 1
    for piece, text in zip(pieces, texts, strict=True):
        breaks = text.count("\n")
        if remaining < breaks or (remaining == breaks and not text.endswith("\n")):
            return piece.line + remaining
        remaining -= breaks
    return pieces[-1].line + texts[-1].count("\n") - 1


@dataclass(slots=True)
class _DocumentText:
    """Keys and string values of a parsed document."""

    keys: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    def collect(self, node: object) -> None:
        for each in _children(node, self.keys):
            if isinstance(each, str):
                self.values.append(each)
            else:
                self.collect(each)

    def failure_reason(self, marker: str) -> str | None:
        """Return the reason why *marker* is not one complete scalar; None if it is."""
        if marker in self.values:
            return None
        if any(marker in key for key in self.keys):
            return "{{ }} is in a key; use secrets and settings in values only"
        if any(marker in value for value in self.values):
            return "{{ }} is part of a longer value; compose the whole with url(…) or '~'"
        return "{{ }} is in a comment or under a duplicate key, not a value; remove that"


def _children(node: object, keys: list[str]) -> Iterator[object]:
    if isinstance(node, Mapping):
        keys.extend(map(str, node))
        yield from node.values()
    elif isinstance(node, list | tuple):
        yield from node
    elif isinstance(node, str):
        yield node
