"""Addresses of the page. All that a view depends on is in its address, so that it can be shared."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

from vault.rotation.inventory import Item

#: Service in an address, of what belongs to a job.
JOBS: Final = "-"


def build_url(path: str, **query: object) -> str:
    """Return *path* with the parts of *query* that are not empty.

    Args:
        path: Path of a view.
        query: Names and values.

    """
    found = {name: value for name, value in query.items() if value not in {None, ""}}
    return f"{path}?{urlencode(found)}" if found else path


def value_url(item: Item, environment: str) -> str:
    """Return the address of the page of one item."""
    parts = (item.kind.value, item.service or JOBS, item.name)
    path = "/".join(quote(part, safe="") for part in parts)
    return build_url(f"/value/{path}", env=environment)
