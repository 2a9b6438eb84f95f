"""Parser that turns one YAML file into plain data, with the line of every value.

It accepts a subset of YAML that a reviewer can read at a glance: mappings with text keys, lists and
scalars. It rejects aliases, tags, empty values and duplicate keys.
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

from vault.declare.errors import FieldError, FileError, Loc

_TAG = "tag:yaml.org,2002:"
_TEXT_KEYS = {f"{_TAG}str", f"{_TAG}merge"}
_SYNTAX = "lines like 'key: value', indented with spaces; quote text that contains ': ' or ' #'"
_MERGED = "one of the two versions, without git's markers"
_CONFLICT = re.compile(rb"^<{7} ", re.MULTILINE)
_UNUSABLE = object()
_CACHE_SIZE = 2048  # documents; a large team has some hundreds

#: Quoted text in a parser error. Messages omit it, because it may be part of an unquoted password
#: that begins with ``*`` or ``!``.
_LONG_QUOTE = re.compile(r"'[^'<]{4,}'")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file.

    *lines* count from 1, and *unusable* are the locations of values that parsing rejected. If the
    file is not *readable*, its content cannot be checked, and *data* is empty.
    """

    file: str
    data: dict[str, Any]
    lines: Mapping[Loc, int]
    errors: tuple[FileError, ...]
    unusable: frozenset[Loc] = frozenset()
    readable: bool = True

    def line(self, loc: Loc) -> int:
        """Return the line of *loc*, or of its nearest parent that is in the file."""
        here: Loc = ()
        for part in loc:
            if (*here, part) in self.lines:
                here = (*here, part)
        return self.lines.get(here, 1)

    def locate(self, errors: Iterable[FieldError]) -> Iterator[FileError]:
        """Return *errors* with file and line, except those at or below an unusable value.

        Parsing has already reported an error for each unusable value.
        """
        for error in errors:
            above = (error.loc[:depth] for depth in range(1, len(error.loc) + 1))
            if self.readable and self.unusable.isdisjoint(above):
                yield FileError(self.file, self.line(error.loc), str(error))


@lru_cache(maxsize=_CACHE_SIZE)
def read(file: str, content: bytes) -> Document:
    """Return the document in *content*, with all errors in the result.

    The result is cached, because one command loads a declaration several times.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # a reused anchor is harmless without aliases
    try:
        root = yaml.compose(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return _unreadable(
            file, line, "has a byte that is not UTF-8 (expected the file saved as UTF-8)"
        )
    except MarkedYAMLError as error:
        if conflict := _CONFLICT.search(content):
            line = content[: conflict.start()].count(b"\n") + 1
            return _unreadable(file, line, f"has an unresolved merge conflict (expected {_MERGED})")
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        parts = [part for part in (error.context, error.problem) if part]
        what = _LONG_QUOTE.sub("…", ": ".join(parts))
        return _unreadable(file, line, f"is invalid YAML: {what} (expected {_SYNTAX})")
    except (YAMLError, RecursionError):
        what = "is invalid YAML: control characters or thousands of nested brackets"
        return _unreadable(file, 1, f"{what} (expected {_SYNTAX})")
    if not isinstance(root, MappingNode):
        return _unreadable(file, 1, f"is empty or is not a mapping (expected {_SYNTAX})")
    reader = _Reader(file)
    data = reader.mapping((), root)
    return Document(file, data, reader.lines, tuple(reader.errors), frozenset(reader.unusable))


def _unreadable(file: str, line: int, what: str) -> Document:
    return Document(file, {}, {}, (FileError(file, line, f"the file {what}"),), readable=False)


@dataclass(slots=True)
class _Reader:
    """Converter of YAML nodes to plain data, which collects lines and errors."""

    file: str
    lines: dict[Loc, int] = field(default_factory=dict)
    errors: list[FileError] = field(default_factory=list)
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
        """Return the location of the value of *key*, or None if the key is rejected."""
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode) or key.tag not in _TEXT_KEYS:
            self._add_fault(
                line,
                FieldError(loc, "has a key that is not text, such as a number", "it in quotes"),
            )
            return None
        place = (*loc, key.value)
        if place in self.lines:
            first = f"only the one on line {self.lines[place]}"
            what = f"has the key {key.value!r} a second time"
            self._add_fault(line, FieldError(loc, what, first))
            return None
        self.lines[place] = line
        return place

    def _value(self, loc: Loc, node: Node) -> object:
        if id(node) in self.seen:
            return self._reject(loc, "is a YAML alias", "the value itself, written out")
        self.seen.add(id(node))
        if not str(node.tag).startswith(_TAG):
            return self._reject(loc, "has a YAML tag", "no '!' before it, or text in quotes")
        if isinstance(node, MappingNode):
            return self.mapping(loc, node)
        if isinstance(node, SequenceNode):
            return self._list(loc, node)
        return self._scalar(loc, node)

    def _list(self, loc: Loc, node: SequenceNode) -> object:
        """Return a tuple, so that later code cannot change the checked data."""
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
                    return self._reject(loc, "is empty", "a value, or the key left out")
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return int(text, 0)
                case "float":
                    return float(text)
                case _:
                    return text
        except ValueError:
            return self._reject(loc, "begins like a number", "a plain number, or text in quotes")

    def _reject(self, loc: Loc, what: str, expected: str) -> object:
        self.unusable.add(loc)
        self._add_fault(self.lines[loc], FieldError(loc, what, expected))
        return _UNUSABLE

    def _add_fault(self, line: int, error: FieldError) -> None:
        self.errors.append(FileError(self.file, line, str(error)))


def merge(base: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return *base* with the values of *data*, at any depth of mappings."""
    merged = dict(base)
    for key, value in data.items():
        inner = merged.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(inner, value)
        else:
            merged[key] = value
    return merged
