"""Parser for HCL as policies use it: from text to a tree of entries, each with its line.

OpenBao and Vault read policies with HCL version 1, which is neither Terraform's HCL nor a version
that a Python library parses. The servers also accept HCL's JSON form, which this parser turns into
the same tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vault.declare.errors import DeclarationError, FileError

Scalar = str | int | float | bool
MAX_DEPTH: Final = 32  # levels of nesting; a policy has three


class HclError(DeclarationError):
    """A policy that cannot be parsed; the message has one ``file:line: …`` for each fault."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the line it begins on: a scalar, a list or a block."""

    line: int
    value: Scalar | tuple[Node, ...] | Block


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a block: ``capabilities = [...]`` has one key, ``path "x" {...}`` has two."""

    line: int
    keys: tuple[str, ...]
    node: Node


@dataclass(frozen=True, slots=True)
class Block:
    """Entries between braces, or those of a whole file."""

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
_SINGLE_ESCAPES: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
} | {mark: mark for mark in '\\"/'}
_UNTERMINATED: Final = {
    '"': "the string is not closed by '\"' on its line",
    "/*": "the comment is not closed by '*/'",
}


def parse(text: str, file: str) -> Block:
    """Return the entries of *text*.

    Args:
        text: HCL, or its JSON form.
        file: The file's name in error messages.

    Raises:
        HclError: At the first fault.

    """
    return _Parser(list(_tokenize(text, file)), file).parse()


def _tokenize(text: str, file: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise HclError([FileError(file, line, _describe_unreadable(text[position:]))])
        kind = str(match.lastgroup)
        if match["heredoc"] is not None:
            yield _Token("heredoc", _heredoc_text(match), line)
        elif kind != "space":
            yield _Token(kind, match[0], line)
        line += match[0].count("\n")
        position = match.end()
    yield _Token("end", "", line)


def _describe_unreadable(rest: str) -> str:
    for opening, what in _UNTERMINATED.items():
        if rest.startswith(opening):
            return what
    if rest.startswith("<<"):
        return "the heredoc is not closed by its end line"
    return f"unexpected character {rest[0]!r}"


def _heredoc_text(match: re.Match[str]) -> str:
    """Return the lines of a heredoc.

    After ``<<-`` they lose the end line's indentation, if all lines have it.
    """
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
    """Recursive descent parser over the tokens of one file."""

    def __init__(self, tokens: list[_Token], file: str) -> None:
        self._tokens = tokens
        self._file = file
        self._position = 0
        self._depth = 0

    def parse(self) -> Block:
        if self._peek().text == "{":
            block = _flatten_json_paths(self._parse_block("the file"))
        else:
            block = Block(tuple(self._parse_entries("")))
        self._expect("end", "the end of the file")
        return block

    def _parse_entries(self, end: str) -> Iterator[Entry]:
        """Yield the entries up to *end*: the text of a mark, or ``""`` for the end of the file."""
        while self._peek().text != end and self._peek().kind != "end":
            yield self._parse_entry()
            if self._peek().text == ",":
                self._position += 1

    def _parse_entry(self) -> Entry:
        first = self._peek()
        keys = [self._parse_key()]
        while self._peek().kind in {"word", "string"}:
            keys.append(self._parse_key())
        mark = self._peek()
        if mark.text in {"=", ":"}:
            if len(keys) > 1:
                raise self._error(mark, "a block with two names has no '='; remove it")
            self._position += 1
            return Entry(first.line, tuple(keys), self._parse_value())
        if mark.text != "{":
            raise self._error(mark, f"expected '=' or '{{' after {keys[-1]!r}")
        return Entry(first.line, tuple(keys), Node(mark.line, self._parse_block(keys[-1])))

    def _parse_key(self) -> str:
        token = self._peek()
        if token.kind not in {"word", "string"}:
            raise self._error(token, "expected a name")
        self._position += 1
        return token.text if token.kind == "word" else self._unescape(token)

    def _parse_value(self) -> Node:
        token = self._peek()
        if token.text == "{":
            return Node(token.line, self._parse_block("{"))
        if token.text == "[":
            return Node(token.line, self._parse_list())
        self._position += 1
        return Node(token.line, self._parse_scalar(token))

    def _parse_scalar(self, token: _Token) -> Scalar:
        if token.kind == "string":
            return self._unescape(token)
        if token.kind == "heredoc":
            return token.text
        if token.kind == "number":
            plain = token.text.lstrip("-").isdecimal() or "0x" in token.text
            return int(token.text, 16 if "0x" in token.text else 10) if plain else float(token.text)
        if token.text in {"true", "false"}:
            return token.text == "true"
        raise self._error(token, "expected a value; put a string in quotes")

    def _parse_block(self, name: str) -> Block:
        opening = self._enter()
        entries = tuple(self._parse_entries("}"))
        if self._peek().kind == "end":
            raise self._error(opening, f"the block of {name!r} is not closed by '}}'")
        self._leave()
        return Block(entries)

    def _parse_list(self) -> tuple[Node, ...]:
        opening = self._enter()
        nodes: list[Node] = []
        while self._peek().text != "]":
            if self._peek().kind == "end":
                raise self._error(opening, "the list is not closed by ']'")
            nodes.append(self._parse_value())
            if self._peek().text not in {",", "]"}:
                raise self._error(self._peek(), "expected ',' or ']' in a list")
            if self._peek().text == ",":
                self._position += 1
        self._leave()
        return tuple(nodes)

    def _enter(self) -> _Token:
        opening = self._peek()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(opening, f"nested more than {MAX_DEPTH} deep")
        self._position += 1
        return opening

    def _leave(self) -> None:
        self._depth -= 1
        self._position += 1

    def _unescape(self, token: _Token) -> str:
        def character(match: re.Match[str]) -> str:
            if match["one"] in _SINGLE_ESCAPES:
                return _SINGLE_ESCAPES[match["one"]]
            digits = match["x"] or match["u"] or match["U"]
            code = int(match["octal"], 8) if match["octal"] else int(digits or "", 16)
            return chr(code)

        try:
            return _ESCAPE.sub(character, token.text[1:-1])
        except (ValueError, OverflowError):
            raise self._error(token, "the string has an invalid escape") from None

    def _peek(self) -> _Token:
        return self._tokens[self._position]

    def _expect(self, kind: str, expected: str) -> None:
        if self._peek().kind != kind:
            raise self._error(self._peek(), f"expected {expected}")
        self._position += 1

    def _error(self, token: _Token, what: str) -> HclError:
        if what.startswith("expected"):
            found = "the file ends" if token.kind == "end" else f"found {token.text[:40]!r}"
            what = f"{what}, {found}"
        return HclError([FileError(self._file, token.line, what)])


def _flatten_json_paths(block: Block) -> Block:
    """Return *block* with JSON's ``"path": {"x": {…}}`` in the form of HCL's ``path "x" {…}``."""
    entries: list[Entry] = []
    for entry in block.entries:
        inner = entry.node.value
        if entry.keys == ("path",) and isinstance(inner, Block):
            entries += [Entry(each.line, ("path", *each.keys), each.node) for each in inner.entries]
        else:
            entries.append(entry)
    return Block(tuple(entries))
