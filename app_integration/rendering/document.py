"""Rendered document: values in the places of a skeleton, proved by its tree.

The text is composed as the agent composes it, so that comments and order stay. Quoting alone is not
trusted: the text is parsed again, and its tree must be that of the skeleton with each value in its
place. So no value can change the structure of a document, whatever it contains.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from app_integration.errors import ConfigRejected
from app_integration.rendering.formats import UNREADABLE, format_of
from app_integration.rendering.skeleton import Skeleton, Slot

#: A secret may have this text. A template that has it is rejected, as if a value did not fit.
_MARKER: Final = "strongroom-place-{:06d}-of-a-value"


class Document:
    """Document of a skeleton, which can be filled any number of times."""

    def __init__(self, skeleton: Skeleton) -> None:
        """Parse the skeleton."""
        self._skeleton = skeleton
        self._format = format_of(skeleton.file)
        self._markers = [_MARKER.format(index) for index, _ in enumerate(skeleton.slots)]
        try:
            self._tree = self._format.parse(self._compose(self._markers))
            found = {*_texts(self._tree)}
        except (*UNREADABLE, RecursionError):  # an alias of YAML may contain itself
            raise ConfigRejected(
                f"{skeleton.template}: its skeleton is no document of the format of "
                f"{skeleton.file}; build it again with strongroom agent build"
            ) from None
        self._check_places(found)

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the text with *values* in it. An error names a secret, and shows no value."""
        texts = [self._text(slot, values) for slot in self._skeleton.slots]
        composed = self._compose(texts)
        if not self._is_tree_of(composed, texts):
            raise ConfigRejected(self._describe_misfit(texts))
        return composed

    def _check_places(self, found: Container[str]) -> None:
        """Raise an error if a place is not in the tree, because nothing then proves its value."""
        for slot, marker in zip(self._skeleton.slots, self._markers, strict=True):
            if marker not in found:
                raise ConfigRejected(
                    f"{self._skeleton.place(slot.line)}: a secret is written where "
                    f"{self._skeleton.file} has no value of its own, such as in a comment, a key "
                    "or a longer text; move it, and run strongroom agent build"
                )

    def _text(self, slot: Slot, values: Mapping[str, str]) -> str:
        """Return the text of the value of *slot*."""
        for name in slot.secrets:
            if problem := self._find_problem(values[name]):
                where = self._skeleton.place(slot.line)
                raise ConfigRejected(f"{where}: the secret {name!r} {problem}; write another value")
        if not slot.is_url:
            return "".join(values[name] for name in slot.secrets)
        return "".join(
            part if isinstance(part, str) else quote(values[part.secret], safe="")
            for part in slot.parts
        )

    def _find_problem(self, value: str) -> str | None:
        """Return why no file of this format can contain *value*, or None."""
        if any("\ud800" <= character <= "\udfff" for character in value):
            return "is not Unicode"
        if "\0" in value and not self._format.allows_nul:
            return "contains NUL, which no variable can"
        return None

    def _compose(self, texts: Sequence[str]) -> str:
        """Return the document with *texts* as complete scalars in its places."""
        written = iter(texts)
        return "".join(
            piece if isinstance(piece, str) else self._format.write(next(written))
            for piece in self._skeleton.pieces
        )

    def _is_tree_of(self, composed: str, texts: Sequence[str]) -> bool:
        """Return whether *composed* has the skeleton's tree, with *texts* in place of markers."""
        try:
            tree = self._format.parse(composed)
        except UNREADABLE:
            return False
        return agrees(self._tree, tree, dict(zip(self._markers, texts, strict=True)))

    def _describe_misfit(self, texts: Sequence[str]) -> str:
        """Return which value the document does not have in its place."""
        for index, (slot, text) in enumerate(zip(self._skeleton.slots, texts, strict=True)):
            alone = [*self._markers[:index], text, *self._markers[index + 1 :]]
            if not self._is_tree_of(self._compose(alone), alone):
                where, name = self._skeleton.place(slot.line), next(slot.secrets)
                return (
                    f"{where}: the secret {name!r} cannot be written in {self._skeleton.file}; "
                    "write another value"
                )
        return f"{self._skeleton.template}: the values cannot be written together; change one"


def _texts(tree: object) -> Iterator[str]:
    """Yield each text in a parsed document that is a value."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, Mapping | Sequence):
        for inner in tree.values() if isinstance(tree, Mapping) else tree:
            yield from _texts(inner)


def agrees(skeleton: object, filled: object, values: Mapping[str, str]) -> bool:
    """Return whether two parsed documents are the same but for the values of markers."""
    if type(skeleton) is not type(filled):
        return False
    if isinstance(skeleton, str):
        return values.get(skeleton, skeleton) == filled
    if isinstance(skeleton, Mapping) and isinstance(filled, Mapping):
        return list(map(repr, skeleton)) == list(map(repr, filled)) and all(
            agrees(inner, filled[key], values) for key, inner in skeleton.items()
        )
    if isinstance(skeleton, Sequence) and isinstance(filled, Sequence):
        return len(skeleton) == len(filled) and all(
            agrees(*pair, values) for pair in zip(skeleton, filled, strict=True)
        )
    return repr(skeleton) == repr(filled)  # because NaN does not equal itself
