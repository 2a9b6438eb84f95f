"""Conversion of pydantic's validation errors to errors in the terms of the YAML file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from vault.declare.errors import (
    FieldError,
    InvalidValue,
    Loc,
    describe_type,
    format_value,
    join_names,
    suggest,
)
from vault.declare.schema.base import WITHOUT
from vault.declare.schema.database import MARKS
from vault.declare.schema.secret_sources import Given

_KEY = "[key]"  # the marker that pydantic adds to the location of an error in a mapping's key
_QUOTED = re.compile(r"'([^']*)'")


def field_errors(model: type[BaseModel], error: ValidationError) -> Iterator[FieldError]:
    """Return a field error for each error that pydantic found in a mapping for *model*.

    A misspelt required key is one error, so that of the missing key is omitted.
    """
    found = [_field_error(model, detail) for detail in error.errors(include_url=False)]
    misspelt = {(*each.loc[:-1], each.near) for each in found if each.near}
    return (each for each in found if each.loc not in misspelt)


def _field_error(model: type[BaseModel], detail: ErrorDetails) -> FieldError:
    field, keys, loc = _resolve(model, detail["loc"])
    value = detail["input"]
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            what = f"has the unknown key {loc[-1]!r}"
            return FieldError(loc, what, join_names(keys), suggest(loc[-1], keys), subject=loc[:-1])
        case "missing":
            return _missing(loc, field)
        case "union_tag_not_found":
            return _missing((*loc, "source"), Given.model_fields["source"])
        case "literal_error" | "union_tag_invalid":
            return _invalid_choice(loc, value, context)
        case "value_error" if isinstance(context["error"], InvalidValue):
            return _invalid_value(loc, value, context["error"], is_key=detail["loc"][-1] == _KEY)
        case name:
            seen = describe_type(value) if name.endswith("_type") else format_value(value)
            return FieldError(loc, f"is {seen}", _expected(field))


def _missing(loc: Loc, field: FieldInfo | None) -> FieldError:
    return FieldError(loc, f"lacks the key {loc[-1]!r}", _expected(field), subject=loc[:-1])


def _expected(field: FieldInfo | None) -> str:
    description = (field and field.description) or "something else"
    return description.partition(WITHOUT)[0]


def _invalid_choice(loc: Loc, value: object, context: dict[str, Any]) -> FieldError:
    """Return the error of a value that is not one of the choices ``'a', 'b' or 'c'``."""
    if "tag" in context:
        loc, value = (*loc, "source"), context["tag"]
    choices = _QUOTED.findall(context.get("expected") or context["expected_tags"])
    seen = format_value(value) if isinstance(value, str) else describe_type(value)
    return FieldError(loc, f"is {seen}", join_names(choices), suggest(value, choices))


def _invalid_value(loc: Loc, value: object, error: InvalidValue, *, is_key: bool) -> FieldError:
    """Return the error of a value that its field type rejects.

    If the value is a key, the mapping that contains the key is the subject.
    """
    if is_key:
        what = f"has an entry named {format_value(value)}"
        return FieldError(loc, what, error.expected, error.near, subject=loc[:-1])
    return FieldError(loc, error.what, error.expected, error.near)


def _resolve(model: type[BaseModel], loc: Loc) -> tuple[FieldInfo | None, list[str], Loc]:
    """Return the innermost field on the path *loc*, the keys allowed there, and the file location.

    The file location omits the parts that pydantic adds: the tag of a union and the marker of a
    key.
    """
    field: FieldInfo | None = None
    options = [model]
    in_file: list[str | int] = []
    named = False  # True if the next part is a mapping's key or a list index, not a field
    for part in loc:
        tagged = [option for option in options if not named and part in _tags(option)]
        if tagged or part == _KEY:
            options = tagged or options
            continue
        in_file.append(part)
        found = None if named else _field(options, part)
        named = False
        if found:
            field, options = found, list(_models(found.annotation))
            named = get_origin(found.annotation) in {Mapping, tuple}
    return field, sorted({key for option in options for key in option.model_fields}), tuple(in_file)


def _field(options: list[type[BaseModel]], part: str | int) -> FieldInfo | None:
    fields: dict[Any, FieldInfo] = {}
    for option in options:
        fields |= option.model_fields
    return fields.get(part)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Return every model in *annotation*, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the tags that select *model* in a union: the value of ``source``, or its mark."""
    source = model.model_fields.get("source")
    marks = tuple(mark for mark, marked in MARKS.items() if marked is model)
    return (get_args(source.annotation)[0], *marks) if source else marks
