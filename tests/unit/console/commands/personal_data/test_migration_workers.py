"""Progress of a pass, as a terminal and a log show it, and the command of a further worker."""

from __future__ import annotations

import subprocess
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest
from rich.console import Console

from console.commands.personal_data import migration_workers
from console.commands.personal_data.migration_workers import show_progress, worker_command
from migration.passes.passes import PassKind
from migration.passes.ranges import PassProgress
from migration.passes.throttle import Limits
from migration.passes.work_reports import Rest, WorkReport

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


def test_bar_shows_the_rate_and_the_time_left() -> None:
    out = Console(file=StringIO(), force_terminal=True, soft_wrap=True, width=200)
    with show_progress(out, PassKind.BACKFILL) as bar:
        bar.show(PassProgress(5, 4, 28_000, 0))
        bar.show_rest(Rest(72_000.0, [WorkReport("one/1", 1000.0, 10.0, 90.0, 0.1, None)]))
        (task,) = bar._bars.tasks
    assert (task.completed, task.total) == (28_000, 100_000)
    assert task.fields["rest"] == ". 10 rows/s, about 2 h left"


@pytest.mark.parametrize("name", ["console/__init__.py", "typer.py"])
def test_further_worker_imports_nothing_of_the_current_folder(tmp_path: Path, name: str) -> None:
    other = tmp_path / name
    other.parent.mkdir(exist_ok=True)
    other.write_text("raise SystemExit('a module of the application')\n")
    command = worker_command(Path("users.yaml"), "dev", None, 0.1, Limits(), tmp_path)
    ended = subprocess.run(
        [*command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "migrate work" in ended.stdout


@pytest.mark.parametrize(
    ("passes", "idle", "found", "slept"),
    [
        ([None], 0, None, 0),
        (["backfill 1"], 0, "backfill 1", 0),
        ([None, None, "verify 1"], 60, "verify 1", 2),
        ([None] * 9, 12, None, 3),
    ],
)
def test_worker_waits_for_a_pass_until_none_has_run_for_long(
    monkeypatch: pytest.MonkeyPatch,
    passes: list[str | None],
    idle: int,
    found: str | None,
    slept: int,
) -> None:
    times: list[float] = []
    pacing = SimpleNamespace(clock=lambda: sum(times), sleep=times.append)
    context = SimpleNamespace(
        name="users", connect=nullcontext, require_state=lambda _: None, pacing=pacing
    )
    left = iter(passes)
    monkeypatch.setattr(migration_workers, "find_open", lambda *_: next(left))
    assert migration_workers.await_pass(context, idle) == found  # type: ignore[arg-type]
    assert len(times) == slept
