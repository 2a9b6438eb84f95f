"""Values of compose files, and references to variables."""

from __future__ import annotations

import json
from dataclasses import dataclass

from agent.file_templates import printable


@dataclass(frozen=True, slots=True)
class Variable:
    """Variable of compose without which it starts nothing."""

    name: str
    meaning: str


def required_variable(service: str, name: str, meaning: str) -> Variable:
    """Return the variable *name* of a service, which has to be set to *meaning*."""
    return Variable(f"{service}_AGENT_{name}".upper().replace("-", "_"), f"set it to {meaning}")


def quote(value: object) -> str:
    """Return *value* as YAML: a variable as a reference to it, and anything else as a string.

    A ``$`` is doubled, because compose would expand it.
    """
    if isinstance(value, Variable):
        return f'"${{{value.name}:?{value.meaning}}}"'
    return json.dumps(printable(value), ensure_ascii=False).replace("$", "$$")
