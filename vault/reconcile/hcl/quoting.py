"""Quoting of values in HCL, such as in policies and in configuration files."""

from __future__ import annotations

import json

from app_integration.errors import ConfigurationError


def quote(value: object) -> str:
    """Return *value* as HCL: a number or a boolean, and anything else as a quoted string.

    A ``$`` becomes its escape sequence, so that ``${`` does not start an interpolation.
    """
    if isinstance(value, int):  # a boolean is an int too
        return str(value).lower()
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"{text!r} cannot be written into HCL, because it is not Unicode; rename it"
        ) from None
    return json.dumps(text, ensure_ascii=False).replace("$", "\\u0024")
