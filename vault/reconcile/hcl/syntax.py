"""The syntax of HCL as policies use it: text to a tree of entries, each with its line.

Both servers read policies with HCL version 1, which is neither the HCL of Terraform nor one that a
Python library parses. Its JSON form, which they take too, comes out as the same tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vault.declare.faults import DeclarationError, FileError

Scalar = str | int | float | bool
MAX_DEPTH: Final = 32  # levels of nesting; a policy has three


class HclError(DeclarationError):
    """A policy that can't be read; the message has one ``file:line: …`` for each fault."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the line it begins on: a scalar, a list, or the entries of a block."""

    line: int
    value: Scalar | tuple[Node, ...] | Block


@dataclass(frozen=True, slots=True)
class Entry:
    """``capabilities = [...]`` has one key, ``path "x" {...}`` has two."""

    line: int
    keys: tuple[str, ...]
    node: Node


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between braces, or in the whole file."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
    |(?P<heredoc><<-?(?P<anchor>[^\W\d]\w*)\r?\n(?P<body>.*?)^[ \t]*(?P=anchor)[ \t]*\r?$)
    |(?P<string>"(?:[^"\\\n$]|\\.|\$\{[^}]*\}|\$(?!\{))*")
    |(?P<number>-?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.]))
    |(?P<word>[^\W\d][\w.-]*)
    |(?P<mark>[{}\[\],=:])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_ESCAPE: Final = re.compile(
    r"\\(?:(?P<octal>[0-7]{3})|x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})"
    r"|U(?P<U>[0-9a-fA-F]{8})|(?P<one>.))",
    re.DOTALL,
)
_ONE: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"} | {
    mark: mark for mark in '\\"/'
}
_UNFINISHED: Final = {'"': "a text that doesn't end on its line", "/*": "a comment without an end"}


def parse(text: str, file: str) -> Block:
    """The entries of *text*; *file* names it in errors.

    Raises:
        HclError: at the first place that doesn't fit.

    """
    return _Parser(list(_tokens(text, file)), file).document()


def _tokens(text: str, file: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise HclError([FileError(file, line, _unreadable(text[position:]))])
        kind = str(match.lastgroup)
        if match["heredoc"] is not None:
            yield _Token("heredoc", _heredoc(match), line)
        elif kind != "space":
            yield _Token(kind, match[0], line)
        line += match[0].count("\n")
        position = match.end()
    yield _Token("end", "", line)


def _unreadable(rest: str) -> str:
    for opening, what in _UNFINISHED.items():
        if rest.startswith(opening):
            return what
    if rest.startswith("<<"):
        return "a heredoc without its end line"
    return f"{rest[0]!r} has no meaning here"


def _heredoc(match: re.Match[str]) -> str:
    """Its lines; after ``<<-`` without the end line's indentation, if all have it."""
    body = match["body"]
    if not match[0].startswith("<<-"):
        return body
    last = match[0].rpartition("\n")[2]
    indent = last[: len(last) - len(last.lstrip())]
    lines = body.splitlines(keepends=True)
    if all(line.startswith(indent) for line in lines):
        lines = [line.removeprefix(indent) for line in lines]
    return "".join(lines)


class _Parser:
    """Recursive descent over the tokens of one file."""

    def __init__(self, tokens: list[_Token], file: str) -> None:
        self._tokens = tokens
        self._file = file
        self._next = 0
        self._depth = 0

    def document(self) -> Block:
        if self._peek().text == "{":
            block = _flat(self._block("the file"))
        else:
            block = Block(tuple(self._entries("")))
        self._take("end", "the end of the file")
        return block

    def _entries(self, end: str) -> Iterator[Entry]:
        """Up to *end*: the text of a mark, or nothing for the end of the file."""
        while self._peek().text != end and self._peek().kind != "end":
            yield self._entry()
            if self._peek().text == ",":
                self._next += 1

    def _entry(self) -> Entry:
        first = self._peek()
        keys = [self._key()]
        while self._peek().kind in {"word", "string"}:
            keys.append(self._key())
        mark = self._peek()
        if mark.text in {"=", ":"}:
            if len(keys) > 1:
                raise self._error(mark, "a block with two names takes no '='")
            self._next += 1
            return Entry(first.line, tuple(keys), self._value())
        if mark.text != "{":
            raise self._error(mark, f"expected '=' or '{{' after {keys[-1]!r}")
        return Entry(first.line, tuple(keys), Node(mark.line, self._block(keys[-1])))

    def _key(self) -> str:
        token = self._peek()
        if token.kind not in {"word", "string"}:
            raise self._error(token, "expected a name")
        self._next += 1
        return token.text if token.kind == "word" else self._unquoted(token)

    def _value(self) -> Node:
        token = self._peek()
        if token.text == "{":
            return Node(token.line, self._block("{"))
        if token.text == "[":
            return Node(token.line, self._list())
        self._next += 1
        return Node(token.line, self._scalar(token))

    def _scalar(self, token: _Token) -> Scalar:
        if token.kind == "string":
            return self._unquoted(token)
        if token.kind == "heredoc":
            return token.text
        if token.kind == "number":
            plain = token.text.lstrip("-").isdecimal() or "0x" in token.text
            return int(token.text, 16 if "0x" in token.text else 10) if plain else float(token.text)
        if token.text in {"true", "false"}:
            return token.text == "true"
        raise self._error(token, "expected a value; put text in quotes")

    def _block(self, name: str) -> Block:
        opening = self._enter()
        entries = tuple(self._entries("}"))
        if self._peek().kind == "end":
            raise self._error(opening, f"the block of {name!r} isn't closed by '}}'")
        self._leave()
        return Block(entries)

    def _list(self) -> tuple[Node, ...]:
        opening = self._enter()
        nodes: list[Node] = []
        while self._peek().text != "]":
            if self._peek().kind == "end":
                raise self._error(opening, "the list isn't closed by ']'")
            nodes.append(self._value())
            if self._peek().text not in {",", "]"}:
                raise self._error(self._peek(), "expected ',' or ']' in a list")
            if self._peek().text == ",":
                self._next += 1
        self._leave()
        return tuple(nodes)

    def _enter(self) -> _Token:
        opening = self._peek()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(opening, f"nested more than {MAX_DEPTH} deep")
        self._next += 1
        return opening

    def _leave(self) -> None:
        self._depth -= 1
        self._next += 1

    def _unquoted(self, token: _Token) -> str:
        def character(match: re.Match[str]) -> str:
            if match["one"] in _ONE:
                return _ONE[match["one"]]
            digits = match["x"] or match["u"] or match["U"]
            code = int(match["octal"], 8) if match["octal"] else int(digits or "", 16)
            return chr(code)

        try:
            return _ESCAPE.sub(character, token.text[1:-1])
        except (ValueError, OverflowError):
            raise self._error(token, "the text has an escape that is no character") from None

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, kind: str, expected: str) -> None:
        if self._peek().kind != kind:
            raise self._error(self._peek(), f"expected {expected}")
        self._next += 1

    def _error(self, token: _Token, what: str) -> HclError:
        if what.startswith("expected"):
            found = "the file ends" if token.kind == "end" else f"found {token.text[:40]!r}"
            what = f"{what}, {found}"
        return HclError([FileError(self._file, token.line, what)])


def _flat(block: Block) -> Block:
    """JSON's ``"path": {"x": {…}}`` as HCL's ``path "x" {…}``."""
    entries: list[Entry] = []
    for entry in block.entries:
        inner = entry.node.value
        if entry.keys == ("path",) and isinstance(inner, Block):
            entries += [Entry(each.line, ("path", *each.keys), each.node) for each in inner.entries]
        else:
            entries.append(entry)
    return Block(tuple(entries))
