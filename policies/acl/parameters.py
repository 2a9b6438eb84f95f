"""Values that a rule lists for a parameter of a request, compared as the server compares them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Final, TypeAlias

#: A listed value: the name of its type and itself, a tuple of such, or the entries of an object.
Listed: TypeAlias = Hashable
_SHORTEST: Final = 2  # characters of a text that may be a pattern: "*" is itself


class Values:
    """Values of one parameter. None listed means any.

    A text that begins or ends with ``*`` is a pattern. A number equals none: that of a request is
    text for the server until a mount reads it.
    """

    def __init__(self, listed: Iterable[Listed]) -> None:
        self.listed = frozenset(listed)
        texts = {value[1] for value in self.listed if isinstance(value, tuple) and _is_text(value)}
        globs = {t for t in texts if len(t) >= _SHORTEST and (t[0] == "*" or t[-1] == "*")}
        self._texts = texts - globs
        self._inner = [t[1:-1] for t in globs if t[0] == t[-1] == "*"]
        self._ends = tuple(t[1:] for t in globs if t[-1] != "*")
        self._starts = tuple(t[:-1] for t in globs if t[0] != "*")
        self._others = [value for value in self.listed if not _is_text(value)]

    def contain(self, value: object, *, is_query: bool) -> bool:
        """Return whether *value* of a request is listed; *is_query* if it is in its URL."""
        if not self.listed:
            return True
        if isinstance(value, str):
            return (
                value in self._texts
                or value.startswith(self._starts)
                or value.endswith(self._ends)
                or any(part in value for part in self._inner)
            )
        # Several values of a query are texts in a list of another type than that of a policy.
        return not is_query and any(_equals(each, value) for each in self._others)

    def merge(self, other: Values) -> Values:
        """Return the values of two rules for one pattern: of either, or any if one lists none."""
        either = self.listed and other.listed
        return Values(self.listed | other.listed if either else ())


def make_values(constraint: Iterable[tuple[str, Iterable[Listed]]]) -> dict[str, Values]:
    """Return the values of each parameter, by its name in lower case."""
    return {name: Values(listed) for name, listed in constraint}


def merge_values(one: Mapping[str, Values], other: Mapping[str, Values]) -> dict[str, Values]:
    """Return the values of the parameters that either of two rules for one pattern lists."""
    merged = {**one, **other}
    return merged | {name: one[name].merge(other[name]) for name in one.keys() & other.keys()}


def _is_text(listed: Listed) -> bool:
    return isinstance(listed, tuple) and listed[:1] == ("str",)


def _equals(listed: Listed, value: object) -> bool:
    """Return whether *value*, which JSON has, equals a listed one; a text not as a pattern."""
    if isinstance(listed, frozenset):
        # An object in an object is a list of objects for the server, which equals none of JSON.
        entries = dict(listed)
        return (
            isinstance(value, dict)
            and entries.keys() == {(key,) for key in value}
            and all(
                not isinstance(each, frozenset) and _equals(each, value[key[0]])
                for key, each in entries.items()
            )
        )
    if not isinstance(listed, tuple):
        return False
    if isinstance(value, bool):
        return listed == ("bool", value)
    if isinstance(value, str):
        return listed == ("str", value)
    return (
        isinstance(value, list)
        and len(listed) == len(value)
        and not (listed and isinstance(listed[0], str))
        and all(map(_equals, listed, value))
    )
