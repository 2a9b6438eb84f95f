"""Addresses of the page. All that a view depends on is in its address, so that it can be shared."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode

from vault.rotation.inventory import Item

#: Service in an address, of what belongs to a job.
JOBS: Final = "-"
#: Part of a filter → its name in an address, if that is another.
_NAMES: Final = {"text": "q"}


def build_url(path: str, **query: object) -> str:
    """Return *path* with the parts of *query* that are not empty."""
    found = {name: value for name, value in query.items() if value not in {None, ""}}
    return f"{path}?{urlencode(found)}" if found else path


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address of a view asks for; each part is its default if it does not matter."""

    path: ClassVar[str]

    def url(self, environment: str = "", **changes: Any) -> str:
        """Return the address of the view with *changes*, on its first page by default."""
        new = replace(self, **{"page": 1, **changes})
        found = {each: getattr(new, each.name) for each in fields(new)}
        changed = {each.name: value for each, value in found.items() if value != each.default}
        parts = {_NAMES.get(name, name): value for name, value in changed.items()}
        return build_url(self.path, env=environment, **parts)


def value_url(item: Item, environment: str) -> str:
    """Return the address of the page of one item."""
    parts = (item.kind.value, item.service or JOBS, item.name)
    path = "/".join(quote(part, safe="") for part in parts)
    return build_url(f"/value/{path}", env=environment)
