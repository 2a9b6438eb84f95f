"""Errors of a settings class without the values that are not valid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from app_integration.integrations.marked_fields import MarkedField, Path
from app_integration.secret import REDACTED

#: The types of errors whose messages are written by pydantic, about their own input only.
_OF_PYDANTIC: Final = {*get_args(ErrorType)} - {"assertion_error", "value_error"}


class HidingValidator:
    """The validator of a settings class, whose errors hold no input.

    An error of pydantic holds its input: for a missing field the values of all others, in
    plain text in ``json()``. ``hide_input_in_errors`` removes it from ``str()`` only.
    """

    __slots__ = ("_fields", "_validator")

    def __init__(self, validator: Any, fields: Sequence[MarkedField]) -> None:
        """Wrap *validator*, that of the class with the marked *fields*."""
        self._validator = validator
        self._fields = fields

    def validate_python(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what the wrapped validator returns."""
        try:
            return self._validator.validate_python(data, *args, **kwargs)
        except ValidationError as error:
            hidden = hide_values(error, data, self._fields)
        raise hidden  # here, because the context of the new error would be the original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._validator, name)


def hide_values(
    error: ValidationError, data: Any, fields: Sequence[MarkedField]
) -> ValidationError:
    """Return a copy of *error* without an input, or any part of a marked field's value."""
    texts = [text for each in fields for place in each.places for text in _texts(data, place)]
    lines = error.errors(include_url=False, include_context=False, include_input=False)
    return ValidationError.from_exception_data(
        error.title, [_hide_line(line, fields, texts) for line in lines], hide_input=True
    )


def _hide_line(
    line: ErrorDetails, fields: Sequence[MarkedField], texts: list[str]
) -> InitErrorDetails:
    location, message = line["loc"], line["msg"]
    for field in fields:
        for place in (*field.places, field.names):
            if location[: len(place)] == place:
                # The rest of the location may be a key of the value.
                location, message = place, _describe(line["type"], field)
    if line["type"] not in _OF_PYDANTIC and any(text in message for text in texts):
        message = "the text of this error is left out, because it holds a secret"
    # Without a context, pydantic takes braces in the message as they are.
    return {
        "type": PydanticCustomError(line["type"], message),
        "loc": location,
        "input": REDACTED,
    }


def _describe(error_type: str, field: MarkedField) -> str:
    """Return a message without that of pydantic, because some of its messages repeat the value."""
    name = ".".join(field.names)
    if error_type == "missing":
        return f"field {name} has no value; write the secret {field.secret}, or set a default"
    return (
        f"the value of field {name} is not valid; "
        f"correct the secret {field.secret}, or the type of the field"
    )


def _texts(data: Any, place: Path) -> Iterator[str]:
    """Yield the strings in the value that *data* has at *place*."""
    for key in place:
        try:
            data = data[key]
        except (LookupError, TypeError):
            return
    yield from _strings(data)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, dict):
        for key, element in value.items():
            yield from _strings(key)
            yield from _strings(element)
    elif isinstance(value, list):
        for element in value:
            yield from _strings(element)
