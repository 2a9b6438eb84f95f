"""Values written into configuration files of the server and the agent, which are HCL."""

from __future__ import annotations

import json
from pathlib import Path

import jinja2

from app_integration.errors import ConfigurationError


def render(template: str, **values: object) -> str:
    """The *template* of this folder with *values*, which it quotes by ``hcl``.

    Raises:
        ConfigurationError: as :func:`quoted`.

    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701 - HCL, not HTML; `hcl` quotes each value
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["hcl"] = quoted
    return environment.get_template(template).render(**values)


def quoted(value: object) -> str:
    """*value* as HCL: a number, true and false as they are, all else as a string.

    A ``$`` goes by its number, so that ``${`` doesn't open an interpolation.

    Raises:
        ConfigurationError: text that isn't Unicode, as a path may be.

    """
    if isinstance(value, int):
        return str(value).lower()  # true and false, too
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{text!r} can't be written into HCL: it isn't Unicode") from None
    return json.dumps(text, ensure_ascii=False).replace("$", "\\u0024")
