"""Types of DuckDB's columns, as far as its JSON reader refuses what does not fit them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

_LIMIT: Final = 2**63


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type.

    Attributes:
        name: Such as ``BIGINT``; ``STRUCT``, or ``LIST``.
        fields: The types of a struct's fields.

    """

    name: str
    fields: tuple[tuple[str, ColumnType], ...] = ()

    def fits(self, value: Any) -> bool:
        """Return whether DuckDB reads a decoded JSON value as this type."""
        if value is None:
            return True
        if self.name == "STRUCT":
            return isinstance(value, dict) and all(
                kind.fits(value.get(name)) for name, kind in self.fields
            )
        expected = {"LIST": list, "BOOLEAN": bool}.get(self.name, object)
        return isinstance(value, expected) and (self.name != "BIGINT" or _is_number(value))

    def reduce(self, value: Any) -> Any:
        """Return a value that fits without the fields that the type does not have."""
        if value is None or self.name not in {"STRUCT", "BIGINT"}:
            return value
        if self.name == "BIGINT":
            return value if isinstance(value, int) else round(float(value))
        return {name: kind.reduce(value.get(name)) for name, kind in self.fields}


@lru_cache
def parse_type(text: str) -> ColumnType:
    """Return the type that *text* is, such as ``STRUCT(a BIGINT, b VARCHAR[])``."""
    if text.startswith("STRUCT("):
        fields = (each.split(" ", maxsplit=1) for each in _split(text[len("STRUCT(") : -1]))
        return ColumnType("STRUCT", tuple((name, parse_type(kind)) for name, kind in fields))
    return ColumnType("LIST" if text.endswith("[]") else text)


def _split(text: str) -> Iterator[str]:
    """Yield the fields of a struct."""
    depth, start = 0, 0
    for at, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            yield text[start:at].strip()
            start = at + 1
    yield text[start:].strip()


def _is_number(value: Any) -> bool:
    """Return whether a value can be a BIGINT."""
    try:
        return abs(float(value)) < _LIMIT
    except (TypeError, ValueError, OverflowError):
        return False
