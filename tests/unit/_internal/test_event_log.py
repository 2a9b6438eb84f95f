"""Tests of the supervisor's log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app_integration._internal.event_log import EventLog


def test_event_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    EventLog().write("start_failed", reason="two\nlines", live=Path("/c"))
    line, end = capsys.readouterr().err.split("\n")
    event = json.loads(line)
    assert end == ""
    assert {**event, "time": "t"} == {
        "time": "t",
        "event": "start_failed",
        "reason": "two\nlines",
        "live": "/c",
    }


def test_event_of_a_unit_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    EventLog("store").write("stopped")
    assert json.loads(capsys.readouterr().err)["unit"] == "store"
