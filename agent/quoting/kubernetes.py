"""Scalars of manifests: values on one line of YAML, and words of a container's command."""

from __future__ import annotations

import math

import yaml

from app_integration.errors import ConfigurationError


def quote(value: object) -> str:
    """Return *value* as a YAML scalar on one line."""
    if isinstance(value, int):
        return str(value)
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{text!r} is not Unicode; rename it") from None
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf).rstrip("\n")


def escape_word(word: str) -> str:
    """Return *word* for ``command`` and ``args``, where Kubernetes expands ``$(NAME)``."""
    return word.replace("$", "$$")
