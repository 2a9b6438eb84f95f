"""Tests of the supervisor's log."""

from __future__ import annotations

import json
import subprocess
import sys
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


def test_events_of_threads_are_whole_lines() -> None:
    source = """
import threading
from app_integration._internal.event_log import EventLog
start = threading.Barrier(8)
def write(unit):
    start.wait()
    for _ in range(200):
        EventLog(unit).write("stopped")
threads = [threading.Thread(target=write, args=[str(number)]) for number in range(8)]
for each in threads: each.start()
for each in threads: each.join()
"""
    ended = subprocess.run([sys.executable, "-c", source], check=True, capture_output=True)
    lines = ended.stderr.decode().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["stopped"] * 1600
