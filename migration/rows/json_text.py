"""Text of JSON columns, read and written without rounding what Python would round."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


class JsonNull:
    """The null of JSON, which for a column is a value, and not the absence of one."""


def load(text: str | bytes) -> Any:
    """Return JSON as Python has it; a number with more digits than a float has is a Decimal.

    No token has a Decimal or a :class:`JsonNull`, so that such a value is refused, and neither
    rounded nor dropped silently.
    """
    value = json.loads(text, parse_float=_parse_number)
    return JsonNull() if value is None else value


def dump(value: dict[str, Any] | list[Any]) -> str:
    """Return the text of JSON that a token has."""
    return json.dumps(value, ensure_ascii=False)


def _parse_number(text: str) -> float | Decimal:
    exact, rounded = Decimal(text), float(text)
    return rounded if exact == Decimal(repr(rounded)) else exact
