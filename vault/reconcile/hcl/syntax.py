"""Parser for HCL as policies use it: from text to a tree of entries, each with its line.

OpenBao and Vault read policies with HCL version 1, which is neither Terraform's HCL nor a version
that a Python library parses. What the parser accepts and rejects is compared with the server, text
by text, in ``tests/integration/test_policy_texts.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from vault.reconcile.hcl.json_syntax import parse_json
from vault.reconcile.hcl.tokens import Cursor, tokenize
from vault.reconcile.hcl.tree import Block, Entry, Node


def parse(text: str, file: str) -> Block:
    """Return the entries of *text*."""
    if text.lstrip().startswith("{"):
        return parse_json(text, file)
    lines = text.replace("\r\n", "\n")
    cursor = Cursor(list(tokenize(lines, file, is_json=False)), file)
    return Block(tuple(_parse_entries(cursor, "")))


def _parse_entries(cursor: Cursor, end: str) -> Iterator[Entry]:
    """Yield the entries up to *end*: the text of a mark, or ``""`` for the end of the file."""
    while cursor.peek().text != end and cursor.peek().kind != "end":
        yield _parse_entry(cursor)
        cursor.skip(",")


def _parse_entry(cursor: Cursor) -> Entry:
    first = cursor.peek()
    keys = [_parse_key(cursor)]
    while cursor.peek().kind in {"word", "string"}:
        keys.append(_parse_key(cursor))
    mark = cursor.peek()
    if mark.text == "=":
        if len(keys) > 1:
            raise cursor.error(mark, "a block with two names has no '='; remove it")
        cursor.take()
        return Entry(first.line, tuple(keys), _parse_value(cursor))
    if mark.text != "{":
        raise cursor.error(mark, f"expected '=' or '{{' after {keys[-1]!r}")
    return Entry(first.line, tuple(keys), Node(mark.line, _parse_block(cursor, keys[-1])))


def _parse_key(cursor: Cursor) -> str:
    token = cursor.peek()
    if token.kind not in {"word", "string"} or token.text in {"true", "false"}:
        raise cursor.error(token, "expected a name")
    cursor.take()
    return token.value if token.kind == "string" else token.text


def _parse_value(cursor: Cursor) -> Node:
    token = cursor.peek()
    if token.text == "{":
        return Node(token.line, _parse_block(cursor, "{"))
    if token.text == "[":
        return Node(token.line, cursor.items(partial(_parse_value, cursor)))
    return cursor.scalar()


def _parse_block(cursor: Cursor, name: str) -> Block:
    opening = cursor.enter()
    entries = tuple(_parse_entries(cursor, "}"))
    if cursor.peek().kind == "end":
        raise cursor.error(opening, f"the block of {name!r} is not closed by '}}'")
    cursor.leave()
    return Block(entries)
