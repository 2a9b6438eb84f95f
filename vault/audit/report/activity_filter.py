"""Filter of activity: by who, what, from where, and with which outcome."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vault.audit.report.activity import ACTOR_NAMES

#: Service of what belongs to none.
NO_SERVICE: Final = "-"
_WHAT: Final = ("path", "name", "concat(service, '/', name)")


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """What activity is asked about. A part that is empty does not matter.

    In *actor*, *secret* and *address* a ``*`` stands for any characters. *secret* is a declared
    name, one with its service such as ``shop/jwt``, or an API path; *service* is ``-`` for none.
    """

    category: str = ""
    actor: str = ""
    secret: str = ""
    address: str = ""
    service: str = ""
    outcome: str = ""

    def build_condition(self) -> tuple[str, dict[str, str]]:
        """Return SQL of the condition over ``activity``, and the values of its parameters."""
        parts, values = ["true"], {}
        for name, value, condition in self._parts():
            if value:
                parts.append(condition)
                values[name] = _to_like(value) if "LIKE" in condition else value
        if self.service == NO_SERVICE:
            parts.append("service IS NULL")
        return " AND ".join(parts), values

    def _parts(self) -> Iterator[tuple[str, str, str]]:
        yield "category", self.category, "category = $category"
        yield "outcome", self.outcome, "outcome = $outcome"
        service = "" if self.service == NO_SERVICE else self.service
        yield "service", service, "service = $service"
        yield "actor", self.actor, _match(ACTOR_NAMES, "actor", self.actor)
        yield "secret", self.secret, _match(_WHAT, "secret", self.secret)
        yield "address", self.address, _match(["address"], "address", self.address)


#: All activity.
ANY: Final = ActivityFilter()


def _match(columns: Iterable[str], name: str, pattern: str) -> str:
    """Return the condition that one of *columns* is what *pattern*, the parameter *name*, says."""
    if "*" not in pattern:
        return f"coalesce(${name} IN ({', '.join(columns)}), false)"
    each = " OR ".join(f"{column} LIKE ${name} ESCAPE '\\'" for column in columns)
    return f"coalesce({each}, false)"


def _to_like(pattern: str) -> str:
    """Return *pattern* for LIKE, which is much faster than a regular expression."""
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
    return escaped.replace("*", "%")
