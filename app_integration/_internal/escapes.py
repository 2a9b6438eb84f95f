"""Escape sequences for untrusted text, which a terminal must not interpret."""

from __future__ import annotations


def escape_unprintable(text: str, keep: str = "") -> str:
    r"""Return *text* with escape sequences such as ``\x1b`` for what a terminal would interpret."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode()
        for each in text
    )
