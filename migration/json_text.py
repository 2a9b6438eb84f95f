"""Text of JSON columns, read and written without rounding what Python would round."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


def load(text: str | bytes) -> Any:
    """Return JSON as Python has it; a number with more digits than a float has is a Decimal.

    No token has a Decimal in JSON, so that such a value is refused, and not rounded silently.
    """
    return json.loads(text, parse_float=_parse_number)


def dump(value: dict[str, Any] | list[Any]) -> str:
    """Return the text of JSON that a token has."""
    return json.dumps(value, ensure_ascii=False)


def _parse_number(text: str) -> float | Decimal:
    exact, rounded = Decimal(text), float(text)
    return rounded if exact == Decimal(repr(rounded)) else exact
