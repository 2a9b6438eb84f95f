"""Merge of two files: one with all keys, and one with those that differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge(base: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return *base* with the values of *data*, at any depth of mappings."""
    merged = dict(base)
    for key, value in data.items():
        inner = merged.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(inner, value)
        else:
            merged[key] = value
    return merged
