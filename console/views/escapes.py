"""Output of text from another source, which a terminal must not interpret."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from app_integration._internal.escapes import escape_unprintable

__all__ = ["escape_unprintable", "say", "show_finding"]


def say(console: Console, line: str) -> None:
    """Print *line*, which may have names from another source."""
    console.print(escape_unprintable(line), markup=False, highlight=False, emoji=False)


def show_finding(console: Console, finding: str) -> None:
    """Print *finding* with a red mark."""
    text = escape(escape_unprintable(finding))
    console.print(f"[red]✗[/] {text}", highlight=False, emoji=False)
