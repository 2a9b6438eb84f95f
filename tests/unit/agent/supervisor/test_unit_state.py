"""Tests of the state that a supervisor writes for other processes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.supervisor.unit_state import (
    RunState,
    StateRecorder,
    UnitState,
    read_state,
    state_file,
    write_state,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def recorder(folder: Path, digest: str = "d1") -> StateRecorder:
    return StateRecorder(folder, "g1", digest, lambda: NOW)


def test_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = UnitState("g1", RunState.RUNNING, 42, NOW.isoformat(), None, "d1")
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    assert (tmp_path / "state.json").stat().st_mode & 0o7777 == 0o600


def test_recorded_state_has_generation_digest_and_time(tmp_path: Path) -> None:
    since = "2026-11-25T12:00:00.000+00:00"
    recorder(tmp_path).write(RunState.WAITING, reason="denied")
    waiting = UnitState("g1", RunState.WAITING, None, since, "denied", "d1")
    assert read_state(tmp_path) == waiting
    recorder(tmp_path).write(RunState.RUNNING, pid=42)
    assert read_state(tmp_path) == UnitState("g1", RunState.RUNNING, 42, since, None, "d1")


def test_time_of_a_state_is_in_utc(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    StateRecorder(tmp_path, "g1", "d1").write(RunState.STARTING)
    state = read_state(tmp_path)
    assert state is not None
    since = datetime.fromisoformat(state.since)
    assert since.utcoffset() == timedelta(0)
    assert since >= before - timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"state": "running"}',
        '{"state": "flying", "pid": 1}',
        "\x00",
        '"x"',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_invalid_state_reads_as_none(tmp_path: Path, text: str) -> None:
    state_file(tmp_path).write_text(text)
    assert read_state(tmp_path) is None


def test_state_with_an_unknown_field_reads_as_none(tmp_path: Path) -> None:
    recorder(tmp_path).write(RunState.RUNNING, pid=1)
    fields = json.loads(state_file(tmp_path).read_text())
    state_file(tmp_path).write_text(json.dumps({**fields, "more": 1}))
    assert read_state(tmp_path) is None


def test_missing_state_reads_as_none(tmp_path: Path) -> None:
    assert read_state(tmp_path / "no") is None


def test_configuration_is_changed_unless_the_last_state_has_its_digest(tmp_path: Path) -> None:
    assert recorder(tmp_path).is_changed()
    recorder(tmp_path).write(RunState.STOPPED)
    assert not recorder(tmp_path).is_changed()
    assert recorder(tmp_path, "d2").is_changed()


def test_forgotten_configuration_is_changed(tmp_path: Path) -> None:
    forgetting = recorder(tmp_path)
    forgetting.forget()
    forgetting.write(RunState.STOPPED)
    state = read_state(tmp_path)
    assert state is not None
    assert (state.generation, state.digest) == ("", "")
    assert recorder(tmp_path).is_changed()
