"""Rendering of the server's configuration files, which are HCL."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from vault.reconcile.hcl.strings import quote

if TYPE_CHECKING:
    import jinja2


def render(template: str, **values: object) -> str:
    """Return the *template* of this folder, rendered with *values*."""
    return _environment().get_template(template).render(**values)


def read_strings(text: str, key: str) -> list[str]:
    """Return the strings that :func:`render` has written for *key* into *text*, in their order."""
    quoted = re.findall(rf'^ *{re.escape(key)} *= (".*")$', text, re.MULTILINE)
    return [json.loads(each) for each in quoted]


@cache  # so that a template is compiled once
def _environment() -> jinja2.Environment:
    import jinja2  # noqa: PLC0415 (a stop renders nothing)

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 - HCL, not HTML; `hcl` quotes each value
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["hcl"] = quote
    return environment
