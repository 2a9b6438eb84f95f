"""Cleaning pass: what of a range of a log is whole lines, and what is damaged.

DuckDB stops at the first damaged line, so a range that it refuses is read here, line by line. Of
each it then gets what the columns read, written again, so that nothing else can make it refuse one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import BinaryIO

from vault.audit.damage import Damage
from vault.audit.line import Grammar, read_lines


@dataclass(slots=True)
class Cleaned:
    """What a cleaning pass found."""

    blank: int = 0
    rescued: int = 0
    good: list[bytes] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)


def clean(file: BinaryIO, grammar: Grammar, first_line: int, offset: int) -> Cleaned:
    """Return what the rest of *file* has."""
    found = Cleaned()
    for number, (data, size) in enumerate(read_lines(file), first_line):
        events, reason = grammar.judge(data)
        for event in events:
            text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
            found.good.append(text.encode())
        if reason is not None:
            found.rescued += len(events)
            found.damage.append(Damage(number, offset, reason))
        found.blank += not events and reason is None
        offset += size
    return found
