"""Types of a line's fields: of one table, what DuckDB declares and what Python takes.

DuckDB converts what is of another type: any value to a text, a text to a number. Python does the
same, because which of them reads a line depends on the lines beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeAlias

from pydantic_core import CoreSchema, core_schema

#: ``str``, ``int`` or ``bool``; a list of a type; an object with the type of each field.
FieldType: TypeAlias = "type | list[FieldType] | dict[str, FieldType]"

_LIMIT: Final = 2**63
_NUMBER: Final = re.compile(r"\s*(-?(?:0|[1-9][0-9]*)|0[xX][0-9a-fA-F]+|0[bB][01]+)\s*", re.ASCII)
#: Fields whose shape a client or an engine chooses: what does not fit there is no damage.
_FREE: Final = frozenset(("data", "metadata"))


def sql_type(kind: FieldType) -> str:
    """Return the type that DuckDB has for *kind*."""
    if isinstance(kind, dict):
        return f"STRUCT({', '.join(f'{name} {sql_type(each)}' for name, each in kind.items())})"
    if isinstance(kind, list):
        return f"{sql_type(kind[0])}[]"
    return "BIGINT" if kind is int else "VARCHAR"


def outline(fields: Mapping[str, FieldType], kept: Collection[str]) -> dict[str, FieldType]:
    """Return *fields* without what clients choose and texts, but for those named in *kept*."""
    found: dict[str, FieldType] = {}
    for name, kind in fields.items():
        if isinstance(kind, dict):
            found |= {} if name in _FREE else {name: outline(kind, kept)}
        elif kind is not str or name in kept:
            found[name] = kind
    return found


def object_schema(
    fields: Mapping[str, FieldType],
    required: Collection[str] = (),
    *,
    is_strict: bool,
    is_free: bool = False,
) -> CoreSchema:
    """Return the schema of an object, strict without conversions, or free of what does not fit."""
    found = {}
    for name, kind in fields.items():
        value = _schema(kind, is_strict=is_strict, is_free=is_free or name in _FREE)
        value = value if name in required else core_schema.nullable_schema(value)
        found[name] = core_schema.typed_dict_field(value, required=name in required)
    return core_schema.typed_dict_schema(found)


def _schema(kind: FieldType, *, is_strict: bool, is_free: bool) -> CoreSchema:
    found: CoreSchema
    convert: Callable[[Any], Any]
    if isinstance(kind, dict):
        found = object_schema(kind, is_strict=is_strict, is_free=is_free)
        convert = lambda value: value if isinstance(value, dict) else {}  # noqa: E731
    elif isinstance(kind, list):
        item = _schema(kind[0], is_strict=is_strict, is_free=is_free)
        found = core_schema.list_schema(core_schema.nullable_schema(item), strict=True)
        convert = lambda value: value if isinstance(value, list) else None  # noqa: E731
    else:
        found, convert = _SCALARS[kind]
    if is_strict or not (is_free or isinstance(kind, type)):
        return found
    fitting = core_schema.nullable_schema(found) if is_free else found
    return core_schema.no_info_before_validator_function(convert, fitting)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _number(value: Any) -> int | None:
    """Return a value as a BIGINT, None if it cannot be one."""
    if isinstance(value, str):
        digits = _NUMBER.fullmatch(value)
        value = int(digits[1], 0) if digits and len(digits[1]) <= len(str(_LIMIT)) else None
    if isinstance(value, float) and abs(value) <= _LIMIT:  # not NaN either
        value = round(value)
    return int(value) if isinstance(value, int) and -_LIMIT <= value < _LIMIT else None


#: Type → the schema of its values, and what makes one of another value.
_SCALARS: Final[dict[type, tuple[CoreSchema, Callable[[Any], Any]]]] = {
    str: (core_schema.str_schema(strict=True), _text),
    int: (core_schema.int_schema(strict=True, ge=-_LIMIT, lt=_LIMIT), _number),
    bool: (core_schema.bool_schema(strict=True), lambda value: _text(value) == "true"),
}
