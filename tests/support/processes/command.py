"""Command ``strongroom`` in this process, with patches of the test."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from console import cli


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["strongroom", *arguments])
    with pytest.raises(SystemExit) as exited:
        cli.main()
    assert isinstance(exited.value.code, int)
    return exited.value.code


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The command, with what a test needs to run it and to see its output."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def assert_rejected(self, code: int, message: str, *arguments: str) -> None:
        assert run_command(self.monkeypatch, *arguments) == code
        assert message in self.capsys.readouterr().err
