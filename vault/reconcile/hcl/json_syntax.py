"""Parser for the JSON form of HCL, into the tree that HCL has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

from vault.reconcile.hcl.tokens import Cursor, tokenize
from vault.reconcile.hcl.tree import Block, Entry, Node


def parse_json(text: str, file: str) -> Block:
    """Return the entries of *text*.

    Objects are merged into the entries that contain them as on the server, so that
    ``{"path": {"x": {…}}}`` and ``{"path": [{"x": {…}}]}`` have the form of ``path "x" {…}``.
    """
    cursor = Cursor(list(tokenize(text, file, is_json=True)), file)
    block = _parse_object(cursor, "the file")
    cursor.expect("end", "the end of the file")
    entries = _flatten(block).entries
    return Block(tuple(each for each in entries if not _has_no_paths(each)))


def _has_no_paths(entry: Entry) -> bool:
    return entry.keys == ("path",) and entry.node.value == Block(())


def _parse_object(cursor: Cursor, name: str) -> Block:
    opening = cursor.enter()
    entries: list[Entry] = []
    while cursor.peek().text != "}" and cursor.peek().kind != "end":
        key = cursor.expect("string", "a name in quotes")
        if not cursor.skip(":"):
            raise cursor.error(cursor.peek(), f"expected ':' after {key.value!r}")
        entries.append(Entry(key.line, (key.value,), _parse_value(cursor, key.value)))
        if not cursor.skip(",") and cursor.peek().text != "}" and cursor.peek().kind != "end":
            raise cursor.error(cursor.peek(), "expected ',' or '}'")
    if cursor.peek().kind == "end":
        raise cursor.error(opening, f"the block of {name!r} is not closed by '}}'")
    cursor.leave()
    return Block(tuple(entries))


def _parse_value(cursor: Cursor, name: str) -> Node:
    token = cursor.peek()
    if token.text == "{":
        return Node(token.line, _parse_object(cursor, name))
    if token.text == "[":
        return Node(token.line, cursor.items(partial(_parse_item, cursor)))
    if token.text == "null":
        cursor.take()
        return Node(token.line, "")  # the server reads it as empty text
    digits = token.text.lstrip("-")
    if token.kind == "number" and digits[0] == "0" and digits[1:2] not in {"", ".", "e", "E"}:
        raise cursor.error(token, f"{token.text[:40]} is not a number of JSON")
    return cursor.scalar()


def _parse_item(cursor: Cursor) -> Node:
    token = cursor.peek()
    if token.text in {"true", "false", "null", "["}:
        raise cursor.error(
            token, f"the server loses {token.text} in a list of the JSON form; write HCL"
        )
    return _parse_value(cursor, "{")


def _flatten(block: Block) -> Block:
    flat = chain.from_iterable(map(_merge, block.entries))
    return Block(tuple(Entry(each.line, each.keys, _flatten_node(each.node)) for each in flat))


def _flatten_node(node: Node) -> Node:
    if isinstance(node.value, Block):
        return Node(node.line, _flatten(node.value))
    if isinstance(node.value, tuple):
        return Node(node.line, tuple(map(_flatten_node, node.value)))
    return node


def _merge(entry: Entry) -> Iterator[Entry]:
    """Yield *entry*, or in its place those inside it if it has only objects."""
    value = entry.node.value
    if isinstance(value, Block) and value.entries and _are_blocks(e.node for e in value.entries):
        for inner in value.entries:
            yield from _merge(Entry(inner.line, entry.keys + inner.keys, inner.node))
    elif isinstance(value, tuple) and value and _are_blocks(value):
        for node in value:
            yield from _merge(Entry(node.line, entry.keys, node))
    else:
        yield entry


def _are_blocks(nodes: Iterator[Node] | tuple[Node, ...]) -> bool:
    return all(isinstance(node.value, Block) for node in nodes)
