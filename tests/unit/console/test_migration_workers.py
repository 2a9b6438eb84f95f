"""Progress of a pass, as a terminal and a log show it."""

from __future__ import annotations

from io import StringIO
from typing import Final

import pytest
from rich.console import Console

from console.migration_workers import show_progress
from migration.passes.passes import PassKind

REASONS: Final = (
    None,
    "the migration is paused by clerk",
    "replica one is 12 s and 1.0 MB behind",
    "replica one is 13 s and 1.1 MB behind",
    None,
    None,
    "the file /tmp/[hold] exists",
    "the file /tmp/[hold] exists",
)


@pytest.mark.parametrize(
    ("is_terminal", "lines"),
    [
        (
            False,
            [
                "backfill is held: the migration is paused by clerk.",
                "backfill goes on.",
                "backfill is held: the file /tmp/[hold] exists.",
            ],
        ),
        (True, []),
    ],
)
def test_log_has_a_line_for_each_hold_and_none_for_its_repetitions(
    is_terminal: bool, lines: list[str]
) -> None:
    file = StringIO()
    out = Console(file=file, force_terminal=is_terminal, soft_wrap=True, width=200)
    with show_progress(out, PassKind.BACKFILL) as bar:
        for reason in REASONS:
            bar.show_hold(reason)
    printed = [line for line in file.getvalue().splitlines() if "backfill" in line]
    assert [line for line in printed if line.endswith(".")] == lines
