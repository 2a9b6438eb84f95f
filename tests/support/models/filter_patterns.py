"""Evaluation of CloudWatch's filter patterns, for the part of the language that is rendered here.

What it does not know it rejects, because a guess would turn a proof into an opinion: other
operators, numbers, indexes of arrays, regular expressions, and ``&&`` beside ``||`` without
parentheses. Where AWS does not say what holds, ``!=`` on a field that is absent, it takes the side
that finds less.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Event: TypeAlias = Mapping[str, Any]

_TOKEN: Final = re.compile(
    r'\s*(?:(?P<mark>&&|\|\||!=|=|[(){}])|(?P<field>\$(?:\.[A-Za-z]+)+)|"(?P<text>[^"\\%]*)"'
    r"|(?P<word>NOT EXISTS))"
)


class UnknownPattern(ValueError):
    """A pattern that is not evaluated here."""


def matches(pattern: str, event: Event) -> bool:
    reader = _Reader(pattern, event)
    reader.take("{")
    found = reader.read_terms()
    reader.take("}")
    reader.take_end()
    return found


def value_at(field: str, event: Event) -> object:
    """Return the value of a field such as ``$.userIdentity.arn``, None if it is absent."""
    found: object = event
    for name in field.split(".")[1:]:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def equals(value: object, wanted: str) -> bool:
    """Return whether *value* is the text *wanted*, which may begin and end with ``*``."""
    inner = wanted.removeprefix("*").removesuffix("*")
    if "*" in inner:
        raise UnknownPattern(f"'*' within {wanted}")
    begin = ".*" if wanted.startswith("*") else ""
    end = ".*" if wanted.endswith("*") else ""
    text = f"{begin}{re.escape(inner)}{end}"
    return isinstance(value, str) and re.fullmatch(text, value, re.DOTALL) is not None


class _Reader:
    """A reader of one pattern, which evaluates each term as it reads it."""

    def __init__(self, pattern: str, event: Event) -> None:
        self._event = event
        self._tokens: list[tuple[str, str]] = []
        text, place = pattern.rstrip(), 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise UnknownPattern(f"at {text[place : place + 20]!r}")
            kind = found.lastgroup or ""
            self._tokens.append((kind, found[kind]))
            place = found.end()

    def take(self, mark: str) -> None:
        if self._next() != ("mark", mark):
            raise UnknownPattern(f"no {mark!r} where it must be")

    def take_end(self) -> None:
        if self._tokens:
            raise UnknownPattern(f"{self._tokens[0][1]!r} after the end")

    def read_terms(self) -> bool:
        """Return the value of terms that one kind of operator joins."""
        found = [self._read_term()]
        operators: set[str] = set()
        while self._tokens and self._tokens[0][1] in {"&&", "||"}:
            operators.add(self._next()[1])
            found.append(self._read_term())
        if len(operators) > 1:
            raise UnknownPattern("&& beside ||")
        return any(found) if operators == {"||"} else all(found)

    def _read_term(self) -> bool:
        kind, text = self._next()
        if (kind, text) == ("mark", "("):
            found = self.read_terms()
            self.take(")")
            return found
        if kind != "field":
            raise UnknownPattern(f"{text!r} in place of a field")
        return self._compare(value_at(text, self._event))

    def _compare(self, value: object) -> bool:
        kind, operator = self._next()
        if kind == "word":
            return value is None
        kind, wanted = self._next()
        if operator not in {"=", "!="} or kind != "text":
            raise UnknownPattern(f"{operator!r} before {wanted!r}")
        is_equal = equals(value, wanted)
        return is_equal if operator == "=" else value is not None and not is_equal

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise UnknownPattern("it ends too early")
        return self._tokens.pop(0)
