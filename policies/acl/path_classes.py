"""Classes of paths: one path for each way in which rules of policies can match.

A pattern of a rule is regular, and its automaton deterministic: literal text, ``+`` for the rest of
a segment, and ``*`` at the end for the rest of the path. So all paths are in finitely many classes,
and what holds for one path of each holds for every path.
"""

from __future__ import annotations

import string
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, TypeAlias

#: A character, or one of the wildcards.
_Element: TypeAlias = str
#: Where each pattern is that can still match, by its number.
_State: TypeAlias = tuple[tuple[int, int], ...]

_SEPARATOR: Final = "/"
_ANY_SEGMENT: Final = "any segment"
_ANY_REST: Final = "any rest"


def representatives(patterns: Sequence[str]) -> Iterator[str]:
    """Yield a shortest path of each class of those that one of *patterns* matches.

    Paths of one class are matched by the same patterns, also with a slash more or less at their
    end. No path has an empty segment, since servers take none.
    """
    elements = [_split(each) for each in patterns]
    other = next(each for each in _candidates() if not any(each in pattern for pattern in patterns))
    start: _State = tuple((number, 0) for number in range(len(patterns)))
    classes, seen = set[object](), set[object]()
    waiting = deque([(start, "", frozenset[int]())])
    while waiting:
        state, path, before = waiting.popleft()
        matched, is_folder = _matched(elements, state), path.endswith(_SEPARATOR)
        beside = before if is_folder else _matched(elements, _follow(elements, state, _SEPARATOR))
        class_ = matched, beside, is_folder
        if path and matched and class_ not in classes:
            classes.add(class_)
            yield path
        for char in _next_chars(elements, state, other, ends=bool(path) and not is_folder):
            following = _follow(elements, state, char)
            key = following, char == _SEPARATOR and matched
            if following and key not in seen:
                seen.add(key)
                waiting.append((following, path + char, matched))


def _split(pattern: str) -> tuple[_Element, ...]:
    """Return the elements of *pattern*. A ``+`` that is a part of a segment is a character."""
    is_open = pattern.endswith("*")
    segments = [
        (_ANY_SEGMENT,) if each == "+" else tuple(each)
        for each in pattern.removesuffix("*").split(_SEPARATOR)
    ]
    elements = [element for segment in segments for element in (_SEPARATOR, *segment)][1:]
    return (*elements, _ANY_REST) if is_open else tuple(elements)


def _candidates() -> Iterator[str]:
    """Yield characters; one stands for all that no pattern has."""
    return chain(string.ascii_lowercase, string.digits, map(chr, range(0x4E00, 0xA000)))


def _matched(elements: Sequence[tuple[_Element, ...]], state: _State) -> frozenset[int]:
    """Return the patterns that match the path which has led to *state*."""
    return frozenset(
        number
        for number, at in state
        if all(each in (_ANY_SEGMENT, _ANY_REST) for each in elements[number][at:])
    )


def _follow(elements: Sequence[tuple[_Element, ...]], state: _State, char: str) -> _State:
    """Return the state after *char*."""
    steps = ((number, _step(elements[number], at, char)) for number, at in state)
    return tuple((number, at) for number, at in steps if at is not None)


def _step(elements: tuple[_Element, ...], at: int, char: str) -> int | None:
    """Return where a pattern is after *char*, None if it cannot match any more."""
    if at == len(elements):
        return None
    element = elements[at]
    if element == _ANY_REST or (element == _ANY_SEGMENT and char != _SEPARATOR):
        return at
    if element == _ANY_SEGMENT:
        return _step(elements, at + 1, char)
    return at + 1 if element == char else None


def _next_chars(
    elements: Sequence[tuple[_Element, ...]], state: _State, other: str, *, ends: bool
) -> Iterator[str]:
    """Yield the characters that lead to different states; a slash only if it *ends* a segment."""
    expected = {elements[number][at] for number, at in state if at < len(elements[number])}
    yield from sorted(each for each in expected | {other} if len(each) == 1 and each != _SEPARATOR)
    if ends:
        yield _SEPARATOR
