"""Printing of damaged lines, on standard error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console

from console.escapes import escape_unprintable
from vault.audit.ingest.damage import NamedDamage

#: Damaged lines that are printed. The index of the store has more.
MOST: Final = 50

err = Console(stderr=True, soft_wrap=True)


def show_damage(damage: Sequence[NamedDamage]) -> None:
    """Print each damaged line by its file, number and reason."""
    for each in damage[:MOST]:
        err.print(escape_unprintable(str(each)), markup=False, highlight=False)
    if len(damage) > MOST:
        err.print(f"and {len(damage) - MOST} more", markup=False, highlight=False)
