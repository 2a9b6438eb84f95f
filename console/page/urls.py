"""Addresses of the page. All that a view depends on is in its address, so that it can be shared."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from vault.rotation.inventory import Item


def build_url(path: str, **query: object) -> str:
    """Return *path* with the parts of *query* that are not empty.

    Args:
        path: Path of a view.
        query: Names and values.

    """
    found = {name: value for name, value in query.items() if value not in {None, ""}}
    return f"{path}?{urlencode(found)}" if found else path


def value_url(item: Item, environment: str) -> str:
    """Return the address of the page of one item. What is a job's has ``-`` for its service."""
    parts = (item.kind.value, item.service or "-", item.name)
    path = "/".join(quote(part, safe="") for part in parts)
    return build_url(f"/value/{path}", env=environment)
