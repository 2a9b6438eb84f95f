r"""Types of text: one regular expression for the validator and for the JSON Schema.

An editor reads the JSON Schema, so an expression is in the syntax that Python and ECMAScript share:
``[0-9]`` in place of ``\d``, because the two languages differ about letters and digits beyond
ASCII, and no named groups.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from vault.declare.errors import InvalidValue, format_value, join_names, suggest


@dataclass(frozen=True, slots=True)
class Matching:
    """Annotation of text that *pattern* matches completely.

    Attributes:
        pattern: Regular expression, in the syntax that Python and ECMAScript share.
        expected: Description of the valid values.
        is_valid: Check of what an expression cannot decide. The schema accepts what it rejects.

    """

    pattern: str
    expected: str
    is_valid: Callable[[str], object] | None = None

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return the schema of the validator."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the JSON Schema."""
        return text_schema(self.pattern, self.expected)

    def check(self, value: str) -> str:
        """Return *value* if it is valid.

        Raises:
            InvalidValue: If it is not.

        """
        matches = re.fullmatch(self.pattern, value)
        if not matches or (self.is_valid and not self.is_valid(value)):
            raise InvalidValue(f"is {format_value(value)}", self.expected)
        return value


def check_placeholders(value: str, known: Sequence[str]) -> None:
    """Check the names in braces in *value*.

    Raises:
        InvalidValue: If one of them is not in *known*.

    """
    for name in re.findall(r"\{([^{}]*)\}", value):
        if name not in known:
            near = suggest(name, known)
            raise InvalidValue(f"has the placeholder {format_value(name)}", join_names(known), near)


def text_schema(pattern: str, expected: str, **keywords: Any) -> JsonSchemaValue:
    """Return the JSON Schema of text that *pattern* matches completely.

    Args:
        pattern: Regular expression, in the syntax that Python and ECMAScript share.
        expected: Description of the valid values. Editors show ``errorMessage`` in place of the
            expression; it is not a keyword of the standard.
        keywords: Further keywords, such as ``maxLength``.

    """
    message = {"errorMessage": f"expected {expected}"}
    return {"type": "string", "pattern": f"^(?:{pattern})$", **keywords, **message}


def json_text(pattern: str, expected: str, **keywords: Any) -> WithJsonSchema:
    """Return the annotation of a type whose JSON Schema is that of :func:`text_schema`."""
    return WithJsonSchema(text_schema(pattern, expected, **keywords))
