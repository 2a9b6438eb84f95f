"""Whether what is compiled will parse, with each value as one complete scalar.

The document is read once with a marker in each value's place. A marker that isn't found again as
a whole value means that the author put quotes, text or a comment around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from agent.compiler.formats import Format, Unparsable
from agent.compiler.parser import Piece, Slot, Text
from agent.errors import TemplateRejected

_QUOTES = ("'", '"', "`")


def check(pieces: Sequence[Piece], file_format: Format, origin: str) -> None:
    """Refuse *pieces* that don't make a document of *file_format*.

    Raises:
        TemplateRejected: with the line of the fault in the template.

    """
    _check_quotes(pieces, origin)
    texts = [_marked(index, piece, file_format) for index, piece in enumerate(pieces)]
    try:
        document = file_format.read("".join(texts))
    except Unparsable as fault:
        line = _source_line(pieces, texts, fault.line)
        message = f"isn't {file_format.name} from here: {fault}"
        raise TemplateRejected(origin, line, message) from None
    found = _Found()
    found.collect(document)
    for index, piece in enumerate(pieces):
        if isinstance(piece, Slot) and (problem := found.problem(_marker(index))):
            raise TemplateRejected(origin, piece.line, problem)


def _check_quotes(pieces: Sequence[Piece], origin: str) -> None:
    for before, slot in pairwise(pieces):
        if isinstance(before, Text) and isinstance(slot, Slot) and before.text.endswith(_QUOTES):
            message = "{{ }} writes its own quotes; remove those around it"
            raise TemplateRejected(origin, slot.line, message)


def _marker(index: int) -> str:
    return f"marker-{index:06d}-of-a-value"


def _marked(index: int, piece: Piece, file_format: Format) -> str:
    return piece.text if isinstance(piece, Text) else file_format.quote(_marker(index))


def _source_line(pieces: Sequence[Piece], texts: Sequence[str], line: int) -> int:
    """The template's line for *line* of the document that *texts* make."""
    left = line - 1
    for piece, text in zip(pieces, texts, strict=True):
        breaks = text.count("\n")
        if left < breaks or (left == breaks and not text.endswith("\n")):
            return piece.line + left
        left -= breaks
    return pieces[-1].line + texts[-1].count("\n") - 1


@dataclass(slots=True)
class _Found:
    """The text in a parsed document."""

    keys: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    def collect(self, node: object) -> None:
        for each in _children(node, self.keys):
            if isinstance(each, str):
                self.values.append(each)
            else:
                self.collect(each)

    def problem(self, marker: str) -> str | None:
        """Why the value marked *marker* isn't one complete scalar; None when it is."""
        if marker in self.values:
            return None
        if any(marker in key for key in self.keys):
            return "{{ }} stands in a key; only values come from secrets and settings"
        if any(marker in value for value in self.values):
            return "{{ }} is part of a longer value; compose the whole with url(…) or '~'"
        return "{{ }} isn't a value: it is in a comment, or under a key that is written twice"


def _children(node: object, keys: list[str]) -> Iterator[object]:
    if isinstance(node, Mapping):
        keys.extend(map(str, node))
        yield from node.values()
    elif isinstance(node, list | tuple):
        yield from node
    elif isinstance(node, str):
        yield node
