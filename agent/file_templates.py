"""Rendering of files from the Jinja2 templates beside the code that they are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app_integration.errors import ConfigurationError

#: Folder that templates are named and included from.
_ROOT: Final = Path(__file__).parent


def printable(value: object) -> str:
    """Return *value* as text on one line."""
    text = str(value)
    if not text.isprintable():
        raise ConfigurationError(f"{text!r} contains a control character; remove it")
    return text


def render(name: str, quote: Callable[[Any], str], values: Mapping[str, Any]) -> str:
    """Return the text of one file.

    *quote* must be a function of a module, because what was compiled with it is kept.
    """
    return _environment(quote).get_template(name).render(values)


@cache  # because compiling a template takes 3 to 12 ms, and services share them
def _environment(quote: Callable[[Any], str]) -> Environment:
    return Environment(  # noqa: S701 (no HTML: *quote* does the quoting)
        loader=FileSystemLoader(_ROOT),
        undefined=StrictUndefined,
        finalize=quote,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
