"""Escape sequences for text of somebody else, which a terminal must not interpret."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape


def escape_unprintable(text: str, keep: str = "") -> str:
    r"""Return *text* with escape sequences such as ``\x1b`` for what a terminal would interpret.

    Args:
        text: Text of somebody else.
        keep: Characters that stay, although they are not printable.

    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode()
        for each in text
    )


def say(console: Console, line: str) -> None:
    """Print *line*, which may have names of somebody else."""
    console.print(escape_unprintable(line), markup=False, highlight=False, emoji=False)


def show_finding(console: Console, finding: str) -> None:
    """Print *finding* with a red mark."""
    text = escape(escape_unprintable(finding))
    console.print(f"[red]✗[/] {text}", highlight=False, emoji=False)
