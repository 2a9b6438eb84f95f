"""Tokens of HCL and of its JSON form, and a cursor over them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from vault.declare.errors import FileError
from vault.reconcile.hcl import strings
from vault.reconcile.hcl.tree import MAX_DEPTH, HclError, Node, Scalar

_SPACE: Final = r"(?P<space>[ \t\r\n]+"
_REST: Final = (
    r"|(?P<number>-?0[xX][0-9a-fA-F]+|-?(?!0[xX])[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]*)?"
    r"|\.[0-9]+(?:[eE][+-]?[0-9]*)?)"
    r"|(?P<word>[^\W\d][\w.-]*)"
)
_TOKEN: Final = re.compile(
    rf"{_SPACE}|\#[^\n]*|//[^\n]*|/\*(?s:.*?)\*/)"
    rf"|(?P<heredoc>{strings.HEREDOC.pattern}){_REST}|(?P<mark>[{{}}\[\],=])"
)
_JSON_TOKEN: Final = re.compile(rf"{_SPACE}){_REST}|(?P<mark>[{{}}\[\],:])")
#: Characters that the server accepts nowhere in HCL, not even in a comment.
_FORBIDDEN: Final = re.compile("[\0\ue123]")
_OCTAL: Final = re.compile(r"(-?)0([0-7]+)")
_UNTERMINATED: Final = {
    "/*": "the comment is not closed by '*/'",
    "<<": "the heredoc is not closed by its end line",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A token, of kind ``string``, ``heredoc``, ``number``, ``word``, ``mark`` or ``end``.

    *text* is as it is written; *value* is what a string or heredoc stands for.
    """

    kind: str
    text: str
    line: int
    value: str = ""


def tokenize(text: str, file: str, *, is_json: bool) -> Iterator[Token]:
    """Yield the tokens of *text*; the last one has the kind ``end``."""
    if not is_json and (match := _FORBIDDEN.search(text)):
        line = 1 + text.count("\n", 0, match.start())
        raise HclError([FileError(file, line, f"unexpected character {match[0]!r}")])
    position, line = 0, 1
    while position < len(text):
        try:
            token, end = _read_token(text, position, line, is_json=is_json)
        except ValueError as error:
            raise HclError([FileError(file, line, str(error))]) from None
        if token is not None:
            yield token
        line += text.count("\n", position, end)
        position = end
    yield Token("end", "", line)


def _read_token(text: str, position: int, line: int, *, is_json: bool) -> tuple[Token | None, int]:
    """Return the token at *position*, None for white space, and the position behind it."""
    if text[position] == '"':
        value, end = strings.read_string(text, position, is_json=is_json)
        return Token("string", text[position:end], line, value), end
    match = (_JSON_TOKEN if is_json else _TOKEN).match(text, position)
    if match is None:
        raise ValueError(_describe_unreadable(text[position:]))
    if match["space"]:
        return None, match.end()
    kind = "heredoc" if not is_json and match["heredoc"] else str(match.lastgroup)
    if kind == "heredoc":
        _check_word(match["anchor"])
        return Token(kind, match[0], line, strings.read_heredoc(match[0])), match.end()
    if kind == "word":
        _check_word(match[0])
    return Token(kind, match[0], line), match.end()


def _check_word(word: str) -> None:
    """Raise ``ValueError`` for a character of words for Python that is none for the server."""
    for character in word:
        if character not in "_.-" and not character.isalpha() and not character.isdecimal():
            raise ValueError(_describe_unreadable(character))


def _describe_unreadable(rest: str) -> str:
    return _UNTERMINATED.get(rest[:2]) or f"unexpected character {rest[0]!r}"


class Cursor:
    """Position among the tokens of one file."""

    def __init__(self, tokens: list[Token], file: str) -> None:
        self._tokens = tokens
        self._file = file
        self._position = 0
        self._depth = 0

    def peek(self) -> Token:
        """Return the next token."""
        return self._tokens[self._position]

    def take(self) -> Token:
        """Return the next token, and go on behind it."""
        token = self.peek()
        self._position += 1
        return token

    def skip(self, mark: str) -> bool:
        """Go on behind the next token if it is *mark*, and return whether it is."""
        is_there = self.peek().text == mark
        self._position += is_there
        return is_there

    def enter(self) -> Token:
        """Return the next token, which opens a block or a list, and go on behind it."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.error(self.peek(), f"nested more than {MAX_DEPTH} deep")
        return self.take()

    def leave(self) -> None:
        """Go on behind the next token, which closes a block or a list."""
        self._depth -= 1
        self._position += 1

    def expect(self, kind: str, expected: str) -> Token:
        """Return the next token if it is of *kind*, and go on behind it; otherwise raise."""
        if self.peek().kind != kind:
            raise self.error(self.peek(), f"expected {expected}")
        return self.take() if kind != "end" else self.peek()

    def items(self, parse: Callable[[], Node]) -> tuple[Node, ...]:
        """Return the items of a list, whose bracket is next, and go on behind it."""
        opening = self.enter()
        nodes: list[Node] = []
        while self.peek().text != "]":
            if self.peek().kind == "end":
                raise self.error(opening, "the list is not closed by ']'")
            if self.skip(","):
                continue
            nodes.append(parse())
            if self.peek().text not in {",", "]"}:
                raise self.error(self.peek(), "expected ',' or ']' in a list")
        self.leave()
        return tuple(nodes)

    def scalar(self) -> Node:
        """Return the next token as a value, and go on behind it."""
        token = self.take()
        if token.kind in {"string", "heredoc"}:
            return Node(token.line, token.value)
        if token.kind == "number":
            return Node(token.line, self._number(token), token.text)
        if token.text in {"true", "false"}:
            return Node(token.line, token.text == "true")
        raise self.error(token, "expected a value; put a string in quotes")

    def _number(self, token: Token) -> Scalar:
        text = token.text
        try:
            if "x" in text.lower():
                return int(text, 16)
            if not text.lstrip("-").isdecimal():
                return float(text)
            octal = _OCTAL.fullmatch(text)
            return int("".join(octal.groups()), 8) if octal else int(_without_zero(text))
        except ValueError:
            raise self.error(token, f"{text[:40]} is not a number") from None

    def error(self, token: Token, what: str) -> HclError:
        """Return the error *what* at *token*."""
        if what.startswith("expected"):
            found = "the file ends" if token.kind == "end" else f"found {token.text[:40]!r}"
            what = f"{what}, {found}"
        return HclError([FileError(self._file, token.line, what)])


def _without_zero(text: str) -> str:
    """Return *text*, or raise ValueError if it begins with a zero, as an octal number does."""
    if len(text.lstrip("-")) > 1 and text.lstrip("-")[0] == "0":
        raise ValueError(text)
    return text
