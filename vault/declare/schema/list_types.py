"""Types of lists in a declaration."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from vault.declare.errors import InvalidValue, format_value


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return *values* unchanged.

    Raises:
        InvalidValue: If there are no values, or one occurs more than once.

    """
    if not values:
        raise InvalidValue("is an empty list", "at least one entry")
    return _each_once(values)


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return *values* unchanged.

    Raises:
        InvalidValue: If one occurs more than once.

    """
    again = next((value for value in values if values.count(value) > 1), None)
    if again is not None:
        raise InvalidValue(f"contains {format_value(str(again))} twice", "each entry once")
    return values


_Entry = TypeVar("_Entry")
#: List of any length, with each entry once.
EachOnce = Annotated[
    tuple[_Entry, ...],
    AfterValidator(_each_once),
    Field(json_schema_extra={"uniqueItems": True}),
]
#: List with at least one entry, and each entry once.
Distinct = Annotated[
    tuple[_Entry, ...],
    AfterValidator(_distinct),
    Field(json_schema_extra={"minItems": 1, "uniqueItems": True}),
]
