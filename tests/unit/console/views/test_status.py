"""Output of ``status`` about the delivered file."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from app_integration.config.delivery_status import State, Status
from console.views.status import show_config_states, show_status
from local.runtime_interface import Status as PartStatus
from local.services.config_state import ConfigState

NOON = "2026-01-02T12:00:00+00:00"


def shown(config: ConfigState, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TZ", "UTC")
    console = Console(file=io.StringIO(), width=120)
    show_config_states(console, {"billing": config})
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_waiting_config_shows_its_time_and_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    last = Status(State.WAITING, "the model took more than 15 s", NOON, NOON, 3, None)
    text = shown(
        ConfigState(Path("/c/app.yaml"), datetime(2026, 1, 1, tzinfo=UTC), last), monkeypatch
    )
    assert text.splitlines()[1].split() == (
        ["billing", "app.yaml", "2026-01-01", "00:00:00", "waiting", "2026-01-02", "12:00:00", "3"]
    )
    assert "billing: app.yaml: the model took more than 15 s" in text


def test_undelivered_config_shows_its_name_only(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(ConfigState(Path("/c/app.yaml"), None, None), monkeypatch)
    assert text.splitlines()[1].split() == ["billing", "app.yaml"]


def test_agent_that_does_not_run_shows_why(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(ConfigState(Path("/c/app.yaml"), None, None, "no interpreter"), monkeypatch)
    assert text.splitlines()[2] == "billing: no interpreter"


@pytest.mark.parametrize(
    ("running", "problem", "expected"),
    [(True, None, "running"), (True, "sealed", "sealed"), (False, None, "not running")],
)
def test_part_shows_its_state(running: bool, problem: str | None, expected: str) -> None:
    file = io.StringIO()
    part = PartStatus("vault", "OpenBao", 8200, running, None, None, problem)
    show_status(Console(file=file, width=120), (part,))
    assert file.getvalue().splitlines()[1].rstrip() == f"OpenBao  {expected:<{len(expected)}}  8200"
