"""Fixtures of the commands that run against real servers."""

from __future__ import annotations

import pytest

from tests.support.processes.command import CommandLine


@pytest.fixture
def command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """Return the command ``strongroom`` in this process."""
    return CommandLine(monkeypatch, capsys)
