"""pydantic's errors in the words of the person who wrote the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from vault.declare.faults import FieldError, InvalidValue, Loc, kind, listed, nearest, shown
from vault.declare.schema.model import Given

_KEY = "[key]"  # how pydantic marks an error in a mapping's key
_QUOTED = re.compile(r"'([^']*)'")


def problems(model: type[BaseModel], error: ValidationError) -> Iterator[FieldError]:
    """One problem for each error that pydantic found in a mapping for *model*.

    A key that is missing because it is there misspelt is one problem, not two.
    """
    found = [_problem(model, detail) for detail in error.errors(include_url=False)]
    misspelt = {(*problem.loc[:-1], problem.near) for problem in found if problem.near}
    return (problem for problem in found if problem.loc not in misspelt)


def _problem(model: type[BaseModel], detail: ErrorDetails) -> FieldError:
    field, keys, loc = _at(model, detail["loc"])
    value = detail["input"]
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            what = f"has the unknown key {loc[-1]!r}"
            return FieldError(loc, what, listed(keys), nearest(loc[-1], keys), subject=loc[:-1])
        case "missing":
            return _missing(loc, field)
        case "union_tag_not_found":
            return _missing((*loc, "source"), Given.model_fields["source"])
        case "literal_error" | "union_tag_invalid":
            return _none_of(loc, value, context)
        case "value_error" if isinstance(context["error"], InvalidValue):
            return _refused(loc, value, context["error"], is_key=detail["loc"][-1] == _KEY)
        case name:
            seen = kind(value) if name.endswith("_type") else shown(value)
            return FieldError(loc, f"is {seen}", _described(field))


def _missing(loc: Loc, field: FieldInfo | None) -> FieldError:
    return FieldError(loc, f"lacks the key {loc[-1]!r}", _described(field), subject=loc[:-1])


def _described(field: FieldInfo | None) -> str:
    return field.description if field and field.description else "something else"


def _none_of(loc: Loc, value: object, context: dict[str, Any]) -> FieldError:
    """A *value* that is none of the few allowed, which pydantic gives as ``'a', 'b' or 'c'``."""
    if "tag" in context:
        loc, value = (*loc, "source"), context["tag"]
    choices = _QUOTED.findall(context.get("expected") or context["expected_tags"])
    seen = shown(value) if isinstance(value, str) else kind(value)
    return FieldError(loc, f"is {seen}", listed(choices), nearest(value, choices))


def _refused(loc: Loc, value: object, wrong: InvalidValue, *, is_key: bool) -> FieldError:
    """What a field's own type refuses; of a key in a mapping, it is the mapping that has it."""
    if is_key:
        what = f"has an entry named {shown(value)}"
        return FieldError(loc, what, wrong.expected, wrong.near, subject=loc[:-1])
    return FieldError(loc, wrong.what, wrong.expected, wrong.near)


def _at(model: type[BaseModel], loc: Loc) -> tuple[FieldInfo | None, list[str], Loc]:
    """The innermost field on the way along *loc*, the keys allowed there, and the true *loc*.

    pydantic's own additions to the location, the tag of a union and the mark of a key, are left
    out of the latter.
    """
    field: FieldInfo | None = None
    options = [model]
    in_file: list[str | int] = []
    named = False  # the next part is a name or an index that the file's author chose
    for part in loc:
        tagged = [option for option in options if not named and part == _tag(option)]
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
    """The models that *annotation* allows, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _tag(model: type[BaseModel]) -> str | None:
    """What the key ``source`` says to choose *model*, if it is chosen so."""
    source = model.model_fields.get("source")
    return get_args(source.annotation)[0] if source else None
