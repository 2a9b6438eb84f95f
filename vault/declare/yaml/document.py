"""One YAML file as plain data, with the line of every value.

Only what a reviewer can read at a glance is allowed: mappings with text keys, lists and scalars;
no aliases, no tags, no empty values, no key twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from vault.declare.faults import FieldError, FileError, Loc

_TAG = "tag:yaml.org,2002:"
_TEXT_KEYS = {f"{_TAG}str", f"{_TAG}merge"}
_SYNTAX = "lines like 'key: value', indented with spaces; quote text that holds ': ' or ' #'"
_UNUSABLE = object()
_REMEMBERED = 2048  # documents; a large team has some hundreds

#: What the parser quotes may be a password that was pasted bare and begins with ``*`` or ``!``.
_LONG_QUOTE = re.compile(r"'[^'<]{4,}'")


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read. The values at *unusable* stand for nothing; *faults* says why."""

    file: str  # as messages name it
    data: dict[str, Any]
    lines: Mapping[Loc, int]
    faults: tuple[FileError, ...]
    unusable: frozenset[Loc] = frozenset()
    readable: bool = True  # False: no mapping at all, so nothing can be said about its content

    def line(self, loc: Loc) -> int:
        """The line of *loc*, or of the nearest thing around it that is in the file."""
        here: Loc = ()
        for part in loc:
            if (*here, part) in self.lines:
                here = (*here, part)
        return self.lines.get(here, 1)

    def judge(self, problems: Iterable[FieldError]) -> Iterator[FileError]:
        """Faults for *problems*, but for those that only follow from an unusable value."""
        for problem in problems:
            above = (problem.loc[:depth] for depth in range(1, len(problem.loc) + 1))
            if self.readable and self.unusable.isdisjoint(above):
                yield FileError(self.file, self.line(problem.loc), str(problem))


@lru_cache(maxsize=_REMEMBERED)
def read(file: str, content: bytes) -> Document:
    """The document in *content*; whatever is wrong with it is in the result, nothing is raised.

    It is remembered: one command reads a declaration several times, and parsing is most of that.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # only aliases matter, and those are refused
    try:
        root = yaml.compose(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return _unreadable(
            file, line, "has a byte that is not UTF-8 (expected the file saved as UTF-8)"
        )
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        parts = [part for part in (error.context, error.problem) if part]
        what = _LONG_QUOTE.sub("…", ": ".join(parts))
        return _unreadable(file, line, f"is not YAML: {what} (expected {_SYNTAX})")
    except (YAMLError, RecursionError):
        what = "is not YAML: control characters or thousands of nested brackets"
        return _unreadable(file, 1, f"{what} (expected {_SYNTAX})")
    if not isinstance(root, MappingNode):
        return _unreadable(file, 1, f"holds nothing, or no mapping (expected {_SYNTAX})")
    reader = _Reader(file)
    data = reader.mapping((), root)
    return Document(file, data, reader.lines, tuple(reader.faults), frozenset(reader.unusable))


def _unreadable(file: str, line: int, what: str) -> Document:
    return Document(file, {}, {}, (FileError(file, line, f"the file {what}"),), readable=False)


@dataclass(slots=True)
class _Reader:
    """Turns nodes into data, noting lines and faults on the way."""

    file: str
    lines: dict[Loc, int] = field(default_factory=dict)
    faults: list[FileError] = field(default_factory=list)
    unusable: set[Loc] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)

    def mapping(self, loc: Loc, node: MappingNode) -> dict[str, Any]:
        data = {}
        for key, child in node.value:
            place = self._key(loc, key)
            if place is not None:
                data[key.value] = self._value(place, child)
        return data

    def _key(self, loc: Loc, key: Node) -> Loc | None:
        """Where the value of *key* stands, or None when the key can't be used."""
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode) or key.tag not in _TEXT_KEYS:
            self._note(
                line,
                FieldError(loc, "has a key that is not text, such as a number", "it in quotes"),
            )
            return None
        place = (*loc, key.value)
        if place in self.lines:
            first = f"only the one on line {self.lines[place]}"
            self._note(line, FieldError(loc, f"has the key {key.value!r} a second time", first))
            return None
        self.lines[place] = line
        return place

    def _value(self, loc: Loc, node: Node) -> object:
        if id(node) in self.seen:
            return self._refuse(loc, "is a YAML alias", "the value itself, written out")
        self.seen.add(id(node))
        if not str(node.tag).startswith(_TAG):
            return self._refuse(loc, "has a YAML tag", "no '!' before it, or text in quotes")
        if isinstance(node, MappingNode):
            return self.mapping(loc, node)
        if isinstance(node, SequenceNode):
            return self._list(loc, node)
        return self._scalar(loc, node)

    def _list(self, loc: Loc, node: SequenceNode) -> object:
        """A tuple, so that the data can't be changed once checked."""
        values = []
        for index, child in enumerate(node.value):
            self.lines[*loc, index] = child.start_mark.line + 1
            values.append(self._value((*loc, index), child))
        return tuple(values)

    def _scalar(self, loc: Loc, node: Node) -> object:
        text: str = node.value
        try:
            match str(node.tag).removeprefix(_TAG):
                case "null":
                    return self._refuse(loc, "is empty", "a value, or the key left out")
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return int(text, 0)
                case "float":
                    return float(text)
                case _:
                    return text
        except ValueError:
            return self._refuse(loc, "begins like a number", "a plain number, or text in quotes")

    def _refuse(self, loc: Loc, what: str, expected: str) -> object:
        self.unusable.add(loc)
        self._note(self.lines[loc], FieldError(loc, what, expected))
        return _UNUSABLE

    def _note(self, line: int, problem: FieldError) -> None:
        self.faults.append(FileError(self.file, line, str(problem)))
