"""Printing of damaged lines, on standard error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console

from console.views.escapes import say
from vault.audit.damage import NamedDamage

#: Damaged lines that are printed. The index of the store has more.
MOST: Final = 50

err = Console(stderr=True, soft_wrap=True)


def show_damage(damage: Sequence[NamedDamage]) -> None:
    """Print each damaged line by its file, number and reason."""
    for each in damage[:MOST]:
        say(err, str(each))
    if len(damage) > MOST:
        say(err, f"and {len(damage) - MOST} more")
