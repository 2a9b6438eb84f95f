"""Settings of a service, which are not secret."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from vault.declare.errors import InvalidValue, format_value
from vault.declare.schema.base import Section
from vault.declare.schema.field_types import SettingValue

_TYPES: dict[str, type] = {"text": str, "integer": int, "boolean": bool}
_JSON_TYPES = {"text": "string", "integer": "integer", "boolean": "boolean"}


class Setting(Section):
    """A configuration value that is not secret. An environment may override it."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "if": {"properties": {"type": {"const": kind}}},
                    "then": {"properties": {"default": {"type": json_type}}},
                }
                for kind, json_type in _JSON_TYPES.items()
            ]
        }
    )

    type: Literal["text", "integer", "boolean"] = Field(description="text, integer or boolean")
    default: SettingValue | None = Field(
        None, description="text, a whole number, true or false; by default each environment sets it"
    )
    description: str = Field("", description="text: what the setting does")

    @field_validator("default")
    @classmethod
    def _of_its_type(cls, value: SettingValue, info: ValidationInfo) -> SettingValue:
        error = find_type_error(info.data.get("type"), value)
        if error:
            raise error
        return value


def find_type_error(kind: object, value: object) -> InvalidValue | None:
    """Return an error if *value* is not of the setting type *kind*.

    An unknown type accepts any value, because the schema reports the type itself.
    """
    if not isinstance(kind, str) or type(value) is _TYPES.get(kind, type(value)):
        return None
    near = str(value).lower() if str(value).lower() in {"true", "false"} else None
    expected = {"integer": "a whole number", "boolean": "true or false", "text": "text; quote it"}
    return InvalidValue(
        f"is {format_value(value)}", f"{expected[kind]}, as its type is {kind}", near
    )
