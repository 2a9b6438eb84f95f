"""Counts of things, as a sentence has them."""

from __future__ import annotations


def render(count: int, noun: str) -> str:
    """Return *count* and *noun*, which gets an "s" unless it is one: ``1 secret``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
