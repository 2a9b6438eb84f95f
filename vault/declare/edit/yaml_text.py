"""Text of a YAML file: where a node ends, and lines that are added after it.

An editor changes the text instead of dumping the data, so that comments and layout stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from app_integration.errors import ConfigurationError

_BLOCK_STYLES = {"|", ">"}


def compose(text: str) -> MappingNode:
    """Return the mapping in *text*, which is that of a checked file."""
    found: MappingNode = YAML(typ="safe", pure=True).compose(text)
    return found


def entries(node: Node) -> dict[str, tuple[Node, Node]]:
    """Map each key of *node* to its node and the node of its value; ``{}`` if it is no mapping."""
    if not isinstance(node, MappingNode):
        return {}
    return {key.value: (key, value) for key, value in node.value}


def end(node: Node, text: str) -> int:
    """Return the index in *text* of the line after *node*, before any comments that follow."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return end(last[1] if isinstance(node, MappingNode) else last, text)
    mark: int = node.end_mark.index
    if isinstance(node, ScalarNode) and node.style in _BLOCK_STYLES:
        mark = len(text[:mark].rstrip())  # the end mark of a block scalar is the next node's start
    return line_end(text, mark)


def line_end(text: str, index: int) -> int:
    """Return the index in *text* of the line after the one that *index* is in."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def insert(text: str, place: int, lines: Iterable[str]) -> str:
    """Return *text* with *lines* at *place*, the beginning of a line, and with its line endings."""
    newline = "\r\n" if "\r\n" in text else "\n"
    before = text[:place]
    if before and not before.endswith("\n"):
        before += newline
    return before + "".join(line + newline for line in lines) + text[place:]


def insert_in_braces(text: str, node: Node, entry: str) -> str:
    """Return *text* with *entry* added at the end of the mapping *node*, which is in braces."""
    if not node.value:
        place = node.start_mark.index + 1
        return text[:place] + entry + text[place:]
    place = node.value[-1][1].end_mark.index
    return f"{text[:place]}, {entry}{text[place:]}"


def remove_in_braces(text: str, node: Node, name: str) -> str:
    """Return *text* without the key *name* of the mapping *node*, which is in braces."""
    names = list(entries(node))
    index = names.index(name)
    key, value = node.value[index]
    begin, after = key.start_mark.index, value.end_mark.index
    if index:
        begin = node.value[index - 1][1].end_mark.index
    elif len(names) > 1:
        after = node.value[1][0].start_mark.index
    return text[:begin] + text[after:]


def quote(text: str) -> str:
    """Return *text* as a JSON string, which is YAML unless it has escapes of surrogates."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def is_in_braces(node: Node) -> bool:
    """Return whether *node* is a mapping or list in the style of JSON, ``{}`` or ``[]``."""
    return isinstance(node, CollectionNode) and bool(node.flow_style)


def braces_error(path: Path, node: Node, name: str, hint: str) -> ConfigurationError:
    """Return the error about a section in braces, to which no line can be added."""
    line = node.start_mark.line + 1
    return ConfigurationError(f"{path}:{line}: {name} is written in braces; {hint}")
