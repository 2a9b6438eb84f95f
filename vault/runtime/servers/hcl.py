"""Rendering of HCL, the syntax of the server's and the agent's configuration files."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import jinja2

from app_integration.errors import ConfigurationError


def render(template: str, **values: object) -> str:
    """Return the *template* of this folder, rendered with *values*.

    Args:
        template: Name of the file. It passes each value through the filter ``hcl``.
        **values: Its variables.

    Raises:
        ConfigurationError: If a value is not Unicode. See :func:`quote`.

    """
    return _environment().get_template(template).render(**values)


def read_strings(text: str, key: str) -> list[str]:
    """Return the strings that :func:`render` has written for *key* into *text*, in their order."""
    quoted = re.findall(rf'^ *{re.escape(key)} *= (".*")$', text, re.MULTILINE)
    return [json.loads(each) for each in quoted]


@cache  # so that a template is compiled once
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 - HCL, not HTML; `hcl` quotes each value
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["hcl"] = quote
    return environment


def quote(value: object) -> str:
    """Return *value* as HCL: a number or a boolean, and anything else as a quoted string.

    A ``$`` becomes its escape sequence, so that ``${`` does not start an interpolation.

    Raises:
        ConfigurationError: If the text is not Unicode, which is possible for a path.

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
