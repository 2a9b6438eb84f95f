"""Metrics of a folder of units."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.supervisor import __main__ as supervisor
from agent.supervisor.health import read_health
from agent.supervisor.unit_file import UnitFile
from agent.supervisor.unit_metrics import process_exists, render_unit_metrics
from agent.supervisor.unit_state import RunState, StateRecorder
from app_integration._internal.cli import USAGE_ERROR
from tests.support.processes.unit_files import write_unit

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NAME = 'a "quoted"\n\\ name'


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return the samples in *text* by name and unit."""
    families = text_string_to_metric_families(text)
    found = [sample for family in families for sample in family.samples]
    return {
        (each.name.removeprefix("strongroom_agent_"), *each.labels.values()): each.value
        for each in found
    }


@pytest.mark.parametrize(
    ("state", "exists", "running"),
    [
        (RunState.RUNNING, True, 1),
        (RunState.RUNNING, False, 0),  # the supervisor was killed
        (RunState.WAITING, True, 0),
        (None, True, 0),
    ],
)
def test_unit_runs_if_its_state_says_so_and_its_process_exists(
    tmp_path: Path, state: RunState | None, *, exists: bool, running: int
) -> None:
    path = write_unit(tmp_path / NAME, deliveries=[])
    if state is not None:
        digest = UnitFile.read(path).digest
        StateRecorder(path.parent, "", digest).write(state, pid=1)
    assert samples(render_unit_metrics(read_health(tmp_path), NOW, lambda _pid: exists)) == {
        ("running", NAME): running,
        ("delivered", NAME): float(state is not None),
        ("checked_timestamp_seconds",): NOW.timestamp(),
    }


def test_process_of_this_test_exists_and_none_has_an_impossible_id() -> None:
    assert process_exists(os.getpid())
    assert process_exists(1)
    assert not process_exists(2**22 + 1)


def test_check_writes_the_metrics_for_another_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units, file = tmp_path / "units", tmp_path / "agents.prom"
    write_unit(units / "a", deliveries=[])
    assert supervisor.main(["--check", str(units), "--metrics", str(file)]) == 1
    assert "a: the supervisor has not started it yet" in capsys.readouterr().out
    assert samples(file.read_text())["delivered", "a"] == 0
    assert file.stat().st_mode & 0o777 == 0o644


def test_check_names_a_file_of_metrics_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units, file = tmp_path / "units", tmp_path / "missing" / "agents.prom"
    units.mkdir()
    assert supervisor.main(["--check", str(units), "--metrics", str(file)]) == 1
    reason = "cannot be written: No such file or directory; check its folder and permissions"
    assert capsys.readouterr().out == f"{file} {reason}\n"


@pytest.mark.parametrize(
    "arguments", [["--agents", ".", "--metrics", "a.prom"], ["--check", ".", "--metrics", "a.txt"]]
)
def test_metrics_without_check_or_of_another_suffix_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        supervisor.main(arguments)
    assert caught.value.code == USAGE_ERROR
